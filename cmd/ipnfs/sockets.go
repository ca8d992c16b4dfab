package main

import (
	"github.com/moby/sys/mountinfo"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"ipnfs/fs"
	"ipnfs/fs/devfuse"
)

// openSockets lets the sockets of networks be. They hold a mount of this process's
// own, so that the one on dir can be unmounted: when it has gone, they go, and the
// process ends with the last of what is open. A mount without sockets is one, too.
func openSockets(dir string, tree *fs.FS) {
	mounted, err := topMount(dir)
	if err == nil {
		var private int
		if private, err = devfuse.Private(dir); err == nil {
			err = tree.OpenSockets(private, dir)
			unix.Close(private)
		}
	}
	var table int
	if err == nil {
		table, err = unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		logrus.WithError(err).Warn("no sockets in networks: ctl, qemu, seq and vhost are missing")
		tree.CloseSockets()
		return
	}
	go func() {
		defer unix.Close(table)
		for isMounted(mounted.ID) {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}}, -1)
		}
		tree.CloseSockets()
	}()
}

// isMounted tells whether this mount namespace has the mount of that id.
func isMounted(id int) bool {
	mounts, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.ID != id, i.ID == id })
	return err != nil || len(mounts) > 0
}
