package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// dirHandle is an open directory: the listing as it was at opendir.
type dirHandle struct {
	account *account
	entries []fuse.DirEntry
	charged int
}

// entrySize is about what an entry of a listing takes, in bytes.
const entrySize = 64

// OpenDir takes the listing.
func (f *FS) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := f.node(in.NodeId)
	if n.gone {
		return fuse.ENOENT
	}
	if n.row != nil && !n.row.isDir() {
		return fuse.ENOTDIR
	}
	h := &dirHandle{account: f.accounts.enter(in.Uid)}
	status := h.fill(f, &n)
	if !status.Ok() {
		h.release(f)
		return status
	}
	out.Fh = f.addFile(h)
	return fuse.OK
}

// fill takes the listing, which is charged before it is made.
func (h *dirHandle) fill(f *FS, dir *node) fuse.Status {
	many := 0
	switch dir.inside() {
	case bus.InRoot:
		many = len(f.bus.Networks())
	case inPorts:
		many = len(dir.net.Ports())
	}
	var ok bool
	if h.charged, ok = h.account.charge(many*entrySize, 0); !ok {
		return fuse.Status(unix.ENOBUFS)
	}
	h.entries = f.list(dir)
	if dir.gone {
		return fuse.ENOENT
	}
	if h.charged, ok = h.account.charge(len(h.entries)*entrySize, h.charged); !ok {
		return fuse.Status(unix.ENOBUFS)
	}
	return fuse.OK
}

func (h *dirHandle) release(f *FS) {
	h.account.mem.Refund(h.charged)
	f.accounts.leave(h.account)
}

// list makes the entries of a directory. If it is gone by now, so is dir.
func (f *FS) list(dir *node) []fuse.DirEntry {
	entries := []fuse.DirEntry{{Name: ".", Mode: unix.S_IFDIR}, {Name: "..", Mode: unix.S_IFDIR}}
	addNode := func(n *node, name string) {
		entries = append(entries, fuse.DirEntry{Name: name, Mode: n.row.format(), Ino: n.ino()})
	}
	add := func(r *row, name string, net *bus.Network, port *bus.Port) {
		addNode(&node{id: makeID(r, net, port, 0), row: r}, name)
	}
	in := dir.inside()
	for i := range tree().rows {
		if r := &tree().rows[i]; r.in == in && r.name != "" && f.has(r) {
			add(r, r.name, dir.net, dir.port)
		}
	}
	switch in {
	case bus.InRoot:
		for _, n := range f.bus.Networks() {
			add(rowOf(bus.InRoot, ""), n.Name(), n, nil)
		}
	case inPorts:
		for _, number := range dir.net.Ports() {
			if p := dir.net.Port(number); p != nil {
				add(rowOf(inPorts, ""), itoa(number), dir.net, p)
			}
		}
	case inSockets:
	default:
		dir.gone = dir.each(in, func(n node) bool {
			addNode(&n, n.name())
			return true
		}) != nil
	}
	return entries
}

// inside is the place of what stands in a directory.
func (n *node) inside() bus.Place {
	switch {
	case n.row == nil:
		return bus.InRoot
	case n.row.kind == netDir:
		return bus.InNetwork
	case n.row.kind == portsDir:
		return inPorts
	case n.row.kind == policyDir:
		return inPolicy
	case n.row.kind == socketsDir:
		return inSockets
	}
	return bus.InPort
}

// ReadDir gives the listing from an offset on.
func (f *FS) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	h, ok := f.file(in.Fh).(*dirHandle)
	if !ok {
		return fuse.EBADF
	}
	for i := in.Offset; i < uint64(len(h.entries)); i++ {
		e := h.entries[i]
		e.Off = i + 1
		if !out.AddDirEntry(e) {
			break
		}
	}
	return fuse.OK
}

// ReleaseDir ends OpenDir.
func (f *FS) ReleaseDir(in *fuse.ReleaseIn) {
	if h, ok := f.removeFile(in.Fh).(*dirHandle); ok {
		h.release(f)
	}
}

func (f *FS) addFile(h any) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastFile++
	f.files[f.lastFile] = h
	if h, ok := h.(*textHandle); ok && h.node.row.live {
		f.byNode[h.node.id] = h
	}
	return f.lastFile
}

func (f *FS) file(fh uint64) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.files[fh]
}

func (f *FS) removeFile(fh uint64) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.files[fh]
	delete(f.files, fh)
	if h, ok := h.(*textHandle); ok && f.byNode[h.node.id] == h {
		delete(f.byNode, h.node.id)
	}
	return h
}

// openNode is what has the fresh node of that id open, or nil.
func (f *FS) openNode(id uint64) *textHandle {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byNode[id]
}
