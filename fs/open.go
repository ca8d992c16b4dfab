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
	switch {
	case n.row.open != nil:
		var err error
		out.OpenFlags = doorFlags
		if out.Fh, err = n.row.open(f, &n, in); err != nil {
			return f.refuse(&n, &in.InHeader, "open", err)
		}
	case n.row.isText():
		out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
		h := &textHandle{node: n, account: f.accounts.enter(in.Uid), group: in.Gid}
		if n.row.signed {
			h.opener = creds.Of(in.Pid, in.Uid, in.Gid).Rights
		}
		out.Fh = f.addFile(h)
		if n.row.live && in.Flags&unix.O_ACCMODE != unix.O_WRONLY {
			// Before open(2) the kernel asked for the mode, and took the
			// size that came with it. The text may be longer by now.
			f.dev.Grow(n.id, openSize)
		}
	case n.row.kind == socket:
		return fuse.Status(unix.ENXIO)
	default:
		return fuse.EISDIR
	}
	return fuse.OK
}

func openPort(f *FS, n *node, in *fuse.OpenIn) (uint64, error) {
	p := &port{door: door{fs: f}}
	p.self = p
	return f.join(n, in, p, 0)
}

func openStream(f *FS, n *node, in *fuse.OpenIn) (uint64, error) {
	s := &stream{door: door{fs: f}}
	s.self = s
	return f.join(n, in, s, frame.MaxPrefixed)
}

// join connects a door that takes frames of at most maxLen bytes; 0: any.
func (f *FS) join(n *node, in *fuse.OpenIn, h joined, maxLen int) (uint64, error) {
	o := bus.JoinOptions{Info: creds.Info(in.Pid, in.Uid, in.Gid), MaxLen: maxLen}
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
	if _, err := n.net.Join(h, o); err != nil {
		return 0, err
	}
	return f.dev.Open(h), nil
}
