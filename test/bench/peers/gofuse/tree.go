package main

import (
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// openFlags are those of an ipnfs port.
const openFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NONSEEKABLE | fuse.FOPEN_STREAM |
	fuse.FOPEN_NOFLUSH | fuse.FOPEN_PARALLEL_DIRECT_WRITES

// tree is a directory with the file `port`, and answers everything but opens, reads and writes.
type tree struct {
	fuse.RawFileSystem
	nodes   atomic.Uint64
	handles atomic.Uint64
}

func newTree() *tree {
	t := &tree{RawFileSystem: fuse.NewDefaultRawFileSystem()}
	t.nodes.Store(fuse.FUSE_ROOT_ID)
	return t
}

func attributes(node, size uint64) fuse.Attr {
	if node == fuse.FUSE_ROOT_ID {
		return fuse.Attr{Ino: node, Mode: unix.S_IFDIR | 0o755, Nlink: 2, Blksize: 4096}
	}
	return fuse.Attr{Ino: 2, Size: size, Mode: unix.S_IFREG | 0o666, Nlink: 1, Blksize: 4096}
}

// Lookup gives `port` a new node id each time, as ipnfs does.
func (t *tree) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if name != "port" {
		return fuse.ENOENT
	}
	out.NodeId = t.nodes.Add(1)
	out.Attr = attributes(out.NodeId, maxWrite)
	return fuse.OK
}

// GetAttr tells what LOOKUP tells, but size 0.
func (t *tree) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.Attr = attributes(in.NodeId, 0)
	return fuse.OK
}

// SetAttr accepts the O_TRUNC of a shell redirection.
func (t *tree) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.Attr = attributes(in.NodeId, 0)
	return fuse.OK
}

// Open numbers the open files.
func (t *tree) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.Fh = t.handles.Add(1)
	out.OpenFlags = openFlags
	return fuse.OK
}
