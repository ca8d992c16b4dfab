package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// copyGrace is how long a copy in another mount namespace may stay that is
// about to go, as its last process ends. There is no event to wait for: a
// namespace tells only those within.
const copyGrace = time.Second

// checkCopies looks, after dir was unmounted, whether a tree that lives is
// mounted elsewhere, so that its process goes on. In this mount namespace that
// is no fault, and is said. In another one nobody sees it: that is an error.
func checkCopies(dir string, was *mountinfo.Info) error {
	if here := mountPoints("self", was); len(here) > 0 {
		fmt.Fprintf(os.Stderr, "ipnfs: %s: unmounted; the process goes on, since the tree is mounted on %s too\n", dir, strings.Join(here, ", "))
		return nil
	}
	copies := foreignCopies(was)
	for end := time.Now().Add(copyGrace); len(copies) > 0 && time.Now().Before(end); copies = foreignCopies(was) {
		time.Sleep(copyGrace / 50)
	}
	if len(copies) == 0 {
		return nil
	}
	c := copies[0]
	return failf(exitMount, "%s: unmounted here, but the process goes on: the mount namespace of %s has a copy: nsenter -t %s -m umount %s, or end its processes",
		dir, few(copies), c.pid, c.dir)
}

// foreignCopy is a mount in another mount namespace.
type foreignCopy struct{ pid, dir string }

func (c foreignCopy) String() string { return process(c.pid) }

// foreignCopies finds the mounts of the file system in other mount namespaces,
// one for each of those, by a process that is in it. A caller who is not root
// sees those of his own processes.
func foreignCopies(of *mountinfo.Info) (copies []foreignCopy) {
	own, _ := os.Readlink("/proc/self/ns/mnt")
	seen := map[string]bool{own: true}
	links, _ := filepath.Glob("/proc/[0-9]*/ns/mnt")
	for _, link := range links {
		ns, err := os.Readlink(link)
		if err != nil || seen[ns] {
			continue
		}
		seen[ns] = true
		pid := strings.Split(link, "/")[2]
		if dirs := mountPoints(pid, of); len(dirs) > 0 {
			copies = append(copies, foreignCopy{pid, dirs[0]})
		}
	}
	return copies
}

// mountPoints lists where a process sees the file system mounted.
func mountPoints(pid string, of *mountinfo.Info) (dirs []string) {
	f, err := os.Open("/proc/" + pid + "/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	mounts, _ := mountinfo.GetMountsFromReader(f, func(i *mountinfo.Info) (skip, stop bool) {
		return i.Major != of.Major || i.Minor != of.Minor || i.FSType != of.FSType, false
	})
	for _, m := range mounts {
		dirs = append(dirs, m.Mountpoint)
	}
	return dirs
}
