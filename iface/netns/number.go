package netns

import (
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Numbered finds the namespace that has an id in home (ip-netns(8), set), as the kernel
// calls it in what it tells there. It is looked for among those that have a name or a
// process: the kernel opens none by its id. The error is ESRCH if it is none of them.
func Numbered(home *NS, id int) (found *NS, err error) {
	if id < 0 {
		return nil, unix.ESRCH // what the kernel says of a namespace that has none there
	}
	err = home.Do(func() error {
		for _, path := range paths() {
			ns, err := open("%s", path)
			if err != nil {
				continue // it has gone
			}
			if got, err := netlink.GetNetNsIdByFd(ns.FD()); err == nil && got == id {
				found = ns
				return nil
			}
			ns.Close()
		}
		return unix.ESRCH
	})
	return found, err
}

// paths lists where the namespaces can be opened that have a name or a process, each
// once, those with a name first.
func paths() (list []string) {
	seen := map[string]bool{}
	for id, name := range Names() {
		seen[id.String()] = true
		list = append(list, filepath.Join(namesDir, name))
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, path := range processes {
		if to, err := os.Readlink(path); err == nil && !seen[to] {
			seen[to] = true
			list = append(list, path)
		}
	}
	return list
}
