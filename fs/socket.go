package fs

import (
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// sockets are those that this process has bound in the directories of networks. A
// socket is there from bind(2), which is a MKNOD to us, to UNLINK. Meanwhile each
// LOOKUP gives the same node, as the kernel finds the socket by its inode. The next
// bind gives another node, since the kernel may remember the one that was removed.
// Safe for concurrent use; no other lock is taken under mu.
type sockets struct {
	mu sync.Mutex
	// +checklocks:mu
	bound map[bound]uint64 // node ids
}

// bound is what stands once in a network's directory.
type bound struct {
	net *bus.Network
	row *row
}

// id returns the node id of a socket that is there.
func (s *sockets) id(net *bus.Network, r *row) (id uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok = s.bound[bound{net, r}]
	return id, ok
}

// bind gives a socket its node id, or returns false if it is there.
func (s *sockets) bind(net *bus.Network, r *row) (id uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := bound{net, r}
	if _, taken := s.bound[key]; taken {
		return 0, false
	}
	if s.bound == nil {
		s.bound = map[bound]uint64{}
	}
	s.bound[key] = makeID(r, net, nil, 0) | uint64(sequence.Add(1))
	return s.bound[key], true
}

// unbind tells whether the socket was there; now it is not.
func (s *sockets) unbind(net *bus.Network, r *row) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, was := s.bound[bound{net, r}]
	delete(s.bound, bound{net, r})
	return was
}

// there tells whether what is no socket, or a socket, is in a directory.
func (s *sockets) there(net *bus.Network, r *row) bool {
	_, bound := s.id(net, r)
	return bound || r.kind != socket
}

// dropSockets forgets those of networks that have ended. No lock is held while it
// looks.
func (f *FS) dropSockets() {
	f.sockets.mu.Lock()
	all := slices.Collect(maps.Keys(f.sockets.bound))
	f.sockets.mu.Unlock()
	for _, b := range all {
		if f.ended(b.net) {
			f.sockets.unbind(b.net, b.row)
		}
	}
}

// ours tells whether a request comes from this process. The kernel names the
// thread.
func ours(in *fuse.InHeader) bool {
	return unix.Tgkill(os.Getpid(), int(in.Pid), 0) == nil
}

// socketOf finds the row of a socket that may stand in a directory, or nil.
func socketOf(dir *node, name string) *row {
	if dir.gone || dir.row == nil || dir.row.kind != netDir {
		return nil
	}
	if r := rowOf(bus.InNetwork, name); r != nil && r.kind == socket {
		return r
	}
	return nil
}

// Mknod makes a socket that is registered, when this process binds it. All else is
// refused.
func (f *FS) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	dir := f.node(in.NodeId)
	r := socketOf(&dir, name)
	if r == nil || in.Mode&unix.S_IFMT != unix.S_IFSOCK || !ours(&in.InHeader) {
		return f.refuseName(&in.InHeader, "mknod", name)
	}
	id, ok := f.sockets.bind(dir.net, r)
	if !ok {
		return fuse.Status(unix.EEXIST)
	}
	status := f.entry(&node{id: id, row: r, net: dir.net}, out)
	if !status.Ok() {
		f.sockets.unbind(dir.net, r)
	}
	return status
}

// Unlink removes a socket for this process. All else is refused.
func (f *FS) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	dir := f.node(in.NodeId)
	r := socketOf(&dir, name)
	if r == nil || !ours(in) {
		return f.refuseName(in, "unlink", name)
	}
	if !f.sockets.unbind(dir.net, r) {
		return fuse.ENOENT
	}
	return fuse.OK
}
