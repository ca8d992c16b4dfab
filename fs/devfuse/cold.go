package devfuse

import (
	"encoding/binary"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// maxColdRead bounds the answer to a READDIR or IOCTL of the tree, in bytes; a
// caller who asks for more gets less and asks again. maxColdWrite is what the
// tree sees of a WRITE: more than any command that it accepts.
const (
	maxColdRead  = 64 << 10
	maxColdWrite = 8 << 10
)

// answerRoom is enough for the fixed part of any answer.
const answerRoom = 512

// options are what ProtocolServer tells the kernel in INIT. Left off, with
// their reasons: READDIRPLUS (a listing would make node ids of doors that
// nobody opens), NO_OPEN_SUPPORT (an open is a port), ALLOW_IDMAP, ASYNC_READ
// and PASSTHROUGH (not used), ASYNC_DIO (libaio could then block the mount
// and could not be interrupted), ATOMIC_O_TRUNC (the kernel would take a
// setting for empty from the open on to the write, for those who read it too;
// so it asks SETATTR, which says the size).
func options() *fuse.MountOptions {
	return &fuse.MountOptions{
		MaxWrite:      MaxWrite,
		MaxBackground: 64,
		DisableXAttrs: true,
		DisabledCapabilities: fuse.CAP_READDIRPLUS | fuse.CAP_NO_OPEN_SUPPORT | fuse.CAP_ALLOW_IDMAP |
			fuse.CAP_PASSTHROUGH | fuse.CAP_ASYNC_READ,
	}
}

// serveCold serves a request by the tree, in a goroutine; request is lent.
func (d *Device) serveCold(request []byte) {
	request = coldRequest(request)
	if as[fuse.InHeader](request).Opcode == opInit { // nothing comes before it is answered
		d.answerCold(request)
		return
	}
	d.cold.Add(1)
	go func() {
		defer d.cold.Done()
		d.answerCold(request)
	}()
}

// coldRequest is what the tree sees of a request: a copy.
func coldRequest(request []byte) []byte {
	if in := as[fuse.WriteIn](request); in != nil && in.Opcode == opWrite {
		request = request[:min(len(request), int(unsafe.Sizeof(*in))+maxColdWrite)]
	}
	return append([]byte(nil), request...)
}

func (d *Device) answerCold(request []byte) {
	opcode := as[fuse.InHeader](request).Opcode
	if in := as[fuse.ReadIn](request); opcode == opRead && in != nil {
		d.readCold(in)
		return
	}
	room := answerRoom
	if opcode == opReaddir {
		if in := as[fuse.ReadIn](request); in != nil {
			in.Size = min(in.Size, maxColdRead)
			room += int(in.Size)
		}
	} else if in := as[fuse.IoctlIn](request); opcode == opIoctl && in != nil {
		room += int(min(in.OutSize, maxColdRead))
	}
	answer := make([]byte, room)
	n, status := d.server.HandleRequest([][]byte{request}, [][]byte{answer})
	if n == 0 {
		if status.Ok() {
			return // a request without an answer
		}
		Reply{d, as[fuse.InHeader](request).Unique}.Error(errnoOf(status))
		return
	}
	errno := d.write(unsafe.Pointer(unsafe.SliceData(answer)), uintptr(n))
	if errno == 0 || n < outHeaderSize+8 {
		return
	}
	// If the caller is gone, nobody will send the RELEASE that ends an open.
	fh := binary.NativeEndian.Uint64(answer[outHeaderSize:])
	switch {
	case opcode == opOpen && fh&hotBit != 0:
		d.release(fh)
	case opcode == opOpen:
		d.tree.Release(nil, &fuse.ReleaseIn{Fh: fh})
	case opcode == opOpendir:
		d.tree.ReleaseDir(&fuse.ReleaseIn{Fh: fh})
	}
}

// readCold answers a READ with all that the tree has of it, without room for
// what it has not: to the kernel's page cache less than it asked for is the end
// of the file.
func (d *Device) readCold(in *fuse.ReadIn) {
	r := Reply{d, in.Unique}
	result, status := d.tree.Read(nil, in, nil)
	if !status.Ok() {
		r.Error(errnoOf(status))
		return
	}
	data, status := result.Bytes(nil)
	if !status.Ok() {
		r.Error(errnoOf(status))
		return
	}
	r.Data(data)
}

func errnoOf(s fuse.Status) unix.Errno { return unix.Errno(s) }
