package fs

import (
	"os"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// lookupSize is the size of a fresh node that LOOKUP tells, and only LOOKUP:
// stat of a door shows 0, but libaio and io_uring, which go by the kernel's
// idea of the size, do not take a door for an empty file.
const lookupSize = 1 << 20

// access is the owner and mode that a node shows, and that the kernel checks
// (default_permissions).
func (f *FS) access(n *node) bus.Access {
	if n.row == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.root
	}
	if n.gone {
		return bus.Access{}
	}
	if n.row.kind == socketsDir {
		return bus.Access{Mode: n.row.rule(0), UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	}
	if n.net == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		return bus.Access{Mode: n.row.rule(0o100), UID: f.root.UID, GID: f.root.GID}
	}
	dir, door := n.net.Access()
	a := door
	switch {
	case n.row.rule != nil:
		a.Mode = n.mode(door.Mode)
	case n.row.isDir():
		a = dir
	case n.port != nil:
		a = n.port.Access()
	}
	return a
}

// mode is that of a node whose rights follow from those of the network's port.
func (n *node) mode(port uint32) uint32 {
	mode := n.row.rule(port)
	if n.ofFrames {
		mode &= port | 0o222
	}
	if n.readOnly {
		mode &^= 0o222
	}
	return mode
}

// attr fills in what stat shows.
func (f *FS) attr(n *node, out *fuse.Attr) {
	a := f.access(n)
	*out = fuse.Attr{
		Ino: n.ino(), Nlink: 1, Blksize: 4096,
		Mode: unix.S_IFDIR | a.Mode, Owner: fuse.Owner{Uid: a.UID, Gid: a.GID},
		Atime: uint64(f.started.Unix()), Mtime: uint64(f.started.Unix()), Ctime: uint64(f.started.Unix()),
	}
	if n.row != nil {
		out.Mode = n.row.format() | a.Mode
	}
	if n.gone {
		out.Nlink = 0
	}
}

// GetAttr answers stat. Of what has ended it still tells the type, for those
// who have it open.
func (f *FS) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := f.node(in.NodeId)
	if n.row != nil && n.row.kind == socket && !n.gone {
		f.listen(&n) // who has its path already does not look it up
	}
	f.attr(&n, &out.Attr)
	f.measure(&n, &in.InHeader, &out.Attr)
	return fuse.OK
}

// measure fills in the length of the text of a file, for who asks.
func (f *FS) measure(n *node, in *fuse.InHeader, out *fuse.Attr) {
	if n.row == nil || !n.row.isText() {
		return
	}
	if h := f.openNode(n.id); h != nil {
		setSize(out, h.size(f))
	} else if !n.gone {
		a := f.accounts.enter(in.Uid)
		defer f.accounts.leave(a)
		text, _ := f.text(n, a, in.Gid)
		setSize(out, len(text))
	}
}

// setSize tells size bytes, none of them in a hole.
func setSize(out *fuse.Attr, size int) {
	out.Size, out.Blocks = uint64(size), uint64(size+511)/512
}

// SetAttr serves chmod and chown, which the kernel has checked to come from
// the owner or root. Sizes and times are accepted and mean nothing.
func (f *FS) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := f.node(in.NodeId)
	mode, chmod := in.GetMode()
	uid, chuid := in.GetUID()
	gid, chgid := in.GetGID()
	if chmod || chuid || chgid {
		if n.gone {
			return fuse.Status(unix.ENODEV)
		}
		err := f.changeAccess(&n, func(a *bus.Access) {
			if chmod {
				a.Mode = mode
			}
			if chuid {
				a.UID = uid
			}
			if chgid {
				a.GID = gid
			}
		})
		if err != nil {
			what := "chown"
			if chmod {
				what = "chmod"
			}
			return f.refuse(&n, &in.InHeader, what, err)
		}
	}
	f.attr(&n, &out.Attr)
	f.measure(&n, &in.InHeader, &out.Attr)
	return fuse.OK
}

// changeAccess applies change to the rights of n, and no other change comes
// between. The kernel locks an inode for a chmod(2), but a door has many.
func (f *FS) changeAccess(n *node, change func(*bus.Access)) error {
	changeDoor := func(a *bus.Access) {
		change(a)
		a.Mode &= 0o777
	}
	switch {
	case n.row == nil:
		f.mu.Lock()
		defer f.mu.Unlock()
		change(&f.root)
	case n.row.rule == nil && n.row.isDir():
		n.net.ChangeDirAccess(change)
	case n.row.rule == nil && n.port != nil:
		n.port.ChangeAccess(changeDoor)
	case n.row.rule == nil:
		n.net.ChangeDoorAccess(changeDoor)
	case n.net == nil:
		return fail.Errorf(fail.Denied, "the rights of %s follow those of the root directory: chmod that", n.name())
	default:
		return fail.Errorf(fail.Denied, "the rights of %s follow from those of %s/port: chmod that", n.localPath(), n.net.Name())
	}
	return nil
}
