package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/creds"
)

// Open flags, see the manual's notes on doors. Each has its reason: frames
// are not cached; a door cannot seek; a waiting read must not hold up a write
// on the same descriptor (STREAM), nor a waiting write another writer; and a
// close needs no FLUSH.
const doorFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NONSEEKABLE | fuse.FOPEN_STREAM |
	fuse.FOPEN_NOFLUSH | fuse.FOPEN_PARALLEL_DIRECT_WRITES

// openSize is longer than any text: sendfile(2) and splice(2), which stop at
// the kernel's idea of the size, then go on to the end of what READ gives.
const openSize = 1 << 40

// Open serves open(2). The kernel has checked the mode bits. O_TRUNC, O_APPEND
// and O_CREAT mean nothing here.
func (f *FS) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := f.node(in.NodeId)
	if n.gone || n.row == nil {
		return fuse.ENOENT
	}
	var err error
	switch n.row.kind {
	case portDoor, streamDoor:
		out.OpenFlags = doorFlags
		out.Fh, err = f.openDoor(&n, in)
	case eventFile:
		out.OpenFlags = doorFlags
		out.Fh, err = f.openEvents(&n, in)
	case textFile, attachFile:
		out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
		h := &textHandle{node: n, account: f.accounts.enter(in.Uid)}
		if n.row.kind == attachFile {
			h.opener = creds.Of(in.Pid, in.Uid, in.Gid)
		}
		out.Fh = f.addFile(h)
		if n.row.fresh() && in.Flags&unix.O_ACCMODE != unix.O_WRONLY {
			// Before open(2) the kernel asked for the mode, and took the
			// size that came with it. The text may be longer by now.
			f.dev.Grow(n.id, openSize)
		}
	default:
		return fuse.EISDIR
	}
	if err != nil {
		return f.refuse(&n, &in.InHeader, "open", err)
	}
	return fuse.OK
}

func (f *FS) openDoor(n *node, in *fuse.OpenIn) (uint64, error) {
	o := bus.JoinOptions{Info: callerInfo(&in.InHeader)}
	o.Info.Kind = n.row.name
	switch in.Flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		o.Recv = true
	case unix.O_WRONLY:
		o.Send = true
	case unix.O_RDWR:
		o.Recv, o.Send = true, true
	default:
		return 0, fail.Errorf(fail.Invalid, "a port is opened to read, to write or both")
	}
	if n.port != nil {
		o.Number = n.port.Number()
	}
	var h joined
	if n.row.kind == streamDoor {
		o.MaxLen = frame.MaxPrefixed
		s := &stream{door: door{fs: f}}
		s.self, h = s, s
	} else {
		p := &port{door: door{fs: f}}
		p.self, h = p, p
	}
	if _, err := n.net.Join(h, o); err != nil {
		return 0, err
	}
	return f.dev.Open(h), nil
}
