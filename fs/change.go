package fs

import (
	"strconv"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// Mkdir makes a network in the root directory, and in ports/ reserves a port.
func (f *FS) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	dir := f.node(in.NodeId)
	var err error
	switch {
	case dir.gone:
		return fuse.ENOENT
	case dir.row == nil:
		err = f.makeNetwork(in, name)
	case dir.row.kind == portsDir:
		err = reservePort(&dir, name)
	default:
		err = fail.Errorf(fail.Denied, "directories are made in the root (networks) and in ports/ (reservations) only")
	}
	if err != nil {
		return f.refuse(&dir, &in.InHeader, "mkdir "+name, err)
	}
	n, ok := f.child(&dir, name)
	if !ok {
		return fuse.ENOENT
	}
	return f.entry(&n, out)
}

// makeNetwork gives the network to its maker: its directory has mkdir's mode,
// its port the rw bits of that and x for the owner alone.
func (f *FS) makeNetwork(in *fuse.MkdirIn, name string) error {
	if taken(name) {
		return fail.Errorf(fail.Exists, "the name %s is not free", name)
	}
	dir := bus.Access{Mode: in.Mode & 0o1777, UID: in.Uid, GID: in.Gid}
	f.mu.Lock()
	if f.root.Mode&unix.S_ISGID != 0 { // the group is inherited, as on any file system
		dir.GID = f.root.GID
		dir.Mode |= unix.S_ISGID
	}
	f.mu.Unlock()
	_, err := f.bus.Create(name, f.bus.Policy, dir, bus.DoorOf(dir))
	return err
}

// taken tells whether a name in the root directory is a file's, now or later.
func taken(name string) bool { return rowOf(bus.InRoot, name) != nil || reservedNames[name] }

func reservePort(dir *node, name string) error {
	number, err := strconv.Atoi(name)
	if err != nil || itoa(number) != name {
		return fail.Errorf(fail.Invalid, "%q is no port number", name)
	}
	_, err = dir.net.Reserve(number)
	return err
}

// Rmdir ends a network without ports, or disconnects a port.
func (f *FS) Rmdir(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	dir := f.node(in.NodeId)
	n, ok := f.child(&dir, name)
	var err error
	switch {
	case !ok:
		return fuse.ENOENT
	case !n.row.isDir():
		return fuse.ENOTDIR
	case n.row.kind == netDir:
		if err = f.bus.Remove(name); err == nil {
			f.closeIdle(time.Time{}) // its sockets
		}
	case n.row.kind == portDir:
		err = n.net.RemovePort(n.port.Number())
	default:
		err = fail.Errorf(fail.Denied, "%s is part of its network", n.name())
	}
	if err != nil {
		return f.refuse(&n, in, "rmdir", err)
	}
	return fuse.OK
}

// Rename renames networks, and nothing else.
func (f *FS) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	from, to := f.node(in.NodeId), f.node(in.Newdir)
	n, ok := f.child(&from, oldName)
	var err error
	switch {
	case !ok:
		return fuse.ENOENT
	case n.row.kind != netDir || to.row != nil:
		err = fail.Errorf(fail.Denied, "only networks can be renamed, within the root directory")
	case in.Flags&^unix.RENAME_NOREPLACE != 0:
		err = fail.Errorf(fail.Invalid, "networks cannot be exchanged")
	case taken(newName):
		err = fail.Errorf(fail.Exists, "the name %s is not free", newName)
	default:
		err = f.bus.Rename(oldName, newName)
	}
	if err != nil {
		return f.refuse(&n, &in.InHeader, "mv "+newName, err)
	}
	return fuse.OK
}

// The rest of what changes a directory is refused: the tree's files come and
// go with their networks and ports.

// Create is refused: see above.
func (f *FS) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, _ *fuse.CreateOut) fuse.Status {
	return f.refuseName(&in.InHeader, "create", name)
}

// Tmpfile cannot be.
func (f *FS) Tmpfile(<-chan struct{}, *fuse.CreateIn, *fuse.CreateOut) fuse.Status {
	return fuse.Status(unix.EOPNOTSUPP)
}

// Symlink is refused: see above.
func (f *FS) Symlink(_ <-chan struct{}, in *fuse.InHeader, _, name string, _ *fuse.EntryOut) fuse.Status {
	return f.refuseName(in, "symlink", name)
}

// Link is refused: see above.
func (f *FS) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, _ *fuse.EntryOut) fuse.Status {
	return f.refuseName(&in.InHeader, "link", name)
}

func (f *FS) refuseName(in *fuse.InHeader, what, name string) fuse.Status {
	dir := f.node(in.NodeId)
	return f.refuse(&dir, in, what+" "+name,
		fail.Errorf(fail.Denied, "files here come and go with networks (mkdir, rmdir) and ports only"))
}
