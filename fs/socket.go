package fs

import (
	"os"
	"strconv"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// The kernel finds a socket by its inode, and a socket that is bound holds the
// mount that it was bound by. So they are bound in a mount of this process's own,
// which nobody else sees: the one that is visible can be unmounted. It happens
// when somebody looks at one, and in a directory of their own, as the directory
// where he looks is locked meanwhile. There the name is the network's id and the
// file's name, and the node that MKNOD answers with is the one that he finds, too:
// a second link to it. A socket's node is always the same.

// socketsName is the name of the directory where sockets are bound. Only threads
// of this process find it; no network may be called so.
const socketsName = ".sockets"

// OpenSockets lets the sockets of networks be. private is a descriptor of the
// root directory on a mount of this process's own, which stays the caller's; dir is
// where the tree is visible. The tree must be served.
func (f *FS) OpenSockets(private int, dir string) error {
	fd, err := unix.Openat(private, socketsName, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("openat", err)
	}
	f.sockets.begin(fd, dir)
	return nil
}

// CloseSockets ends OpenSockets. Who is connected stays, but holds the mount no
// longer.
func (f *FS) CloseSockets() { f.sockets.end() }

// ours tells whether a request comes from this process. The kernel names the
// thread.
func ours(in *fuse.InHeader) bool {
	return unix.Tgkill(os.Getpid(), int(in.Pid), 0) == nil
}

// boundName is what a socket is called where it is bound.
func boundName(net *bus.Network, r *row) string {
	return strconv.FormatUint(uint64(net.ID()), 10) + "." + r.name
}

// toBind finds the socket that has a name where sockets are bound.
func (f *FS) toBind(dir *node, name string) (n node, ok bool) {
	id, file, _ := strings.Cut(name, ".")
	number, err := strconv.ParseUint(id, 10, 32)
	if err != nil || dir.row == nil || dir.row.kind != socketsDir {
		return n, false
	}
	n.net = f.bus.NetworkByID(uint32(number))
	n.row = rowOf(bus.InNetwork, file)
	if n.net == nil || n.row == nil || n.row.kind != socket {
		return n, false
	}
	n.id = makeID(n.row, n.net, nil, 0)
	return n, true
}

// Mknod makes a socket that is registered, when this process binds it. All else is
// refused. A VDE client tries to bind a socket of its own in the directory first,
// and goes elsewhere then: that is nothing to tell of.
func (f *FS) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	dir := f.node(in.NodeId)
	isSocket := in.Mode&unix.S_IFMT == unix.S_IFSOCK
	if n, ok := f.toBind(&dir, name); ok && isSocket && ours(&in.InHeader) {
		return f.entry(&n, out)
	}
	if isSocket && strings.HasPrefix(name, ".") {
		return fuse.EPERM
	}
	return f.refuseName(&in.InHeader, "mknod", name)
}

// Unlink is refused, as all that changes a directory.
func (f *FS) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.refuseName(in, "unlink", name)
}
