package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// fewAre is how many of a list a message names before it only counts the rest.
const fewAre = 5

// few names the first few of a list.
func few[T any](list []T) string {
	var b strings.Builder
	for i, one := range list[:min(len(list), fewAre)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, one)
	}
	if more := len(list) - fewAre; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// process names a process by its command and number.
func process(pid string) string {
	comm, _ := os.ReadFile("/proc/" + pid + "/comm")
	return fmt.Sprintf("%s (pid %s)", fail.Quote(string(bytes.TrimSpace(comm))), pid)
}

// holders tells what keeps the mount m in use: files that are open,
// directories that processes are in, other mounts within it. A caller who is
// not root sees his own processes. The tree itself is not asked: it may be dead.
func holders(m *mountinfo.Info) (list []string) {
	within, _ := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.Parent != m.ID, false })
	for _, i := range within {
		list = append(list, fmt.Sprintf("a mount of %s on %s", i.FSType, i.Mountpoint))
	}
	self := fmt.Sprint(os.Getpid())
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid := filepath.Base(dir)
		if pid == self {
			continue
		}
		for _, use := range usesOf(dir, m) {
			list = append(list, use+" "+process(pid))
		}
	}
	if len(list) == 0 { // a shell has it too, unless it has become this process
		for _, use := range usesOf("/proc/self", m) {
			list = append(list, use+" this command itself")
		}
	}
	return list
}

// usesOf tells what the process in a directory of /proc has to do with m.
func usesOf(dir string, m *mountinfo.Info) (uses []string) {
	mark := fmt.Appendf(nil, "\nmnt_id:\t%d\n", m.ID)
	program, _ := os.Readlink(dir + "/exe")
	own, _ := os.Executable()
	infos, _ := filepath.Glob(dir + "/fdinfo/*")
	for _, path := range infos {
		if info, _ := os.ReadFile(path); bytes.Contains(info, mark) {
			name, _ := os.Readlink(filepath.Join(dir, "fd", filepath.Base(path)))
			name = strings.TrimSuffix(name, " (deleted)") // of a door that somebody else has looked up since
			if name == m.Mountpoint && program == own {
				uses = append(uses, "connections to sockets (the files info in ports/ tell whose), held by")
				continue
			}
			uses = append(uses, strings.TrimPrefix(name, m.Mountpoint+"/")+" by")
		}
	}
	for _, link := range []struct{ name, text string }{{"cwd", "working directory of"}, {"root", "root directory of"}} {
		var st unix.Statx_t
		// The mount is told even if nothing is asked for, which no tree refuses.
		err := unix.Statx(unix.AT_FDCWD, filepath.Join(dir, link.name), unix.AT_STATX_DONT_SYNC, 0, &st)
		if err == nil && st.Mask&unix.STATX_MNT_ID != 0 && st.Mnt_id == uint64(m.ID) {
			uses = append(uses, link.text)
		}
	}
	slices.Sort(uses)
	return slices.Compact(uses)
}
