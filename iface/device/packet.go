package device

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
)

// tagLen is the length of a VLAN tag, which the kernel takes out of what it
// receives and tells apart; addrLen is what stands in front of it in a frame.
const (
	tagLen  = 4
	addrLen = 12
)

// auxdata is struct tpacket_auxdata.
type auxdata struct {
	status, len, snaplen uint32
	mac, net, tci, tpid  uint16
}

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// controlRoom is enough for the one control message: PACKET_AUXDATA.
const controlRoom = 64

// packetRoom is the most that a packet socket gives: what frameRoom is, for BIG
// TCP, whose packets have up to 512 KiB (GSO_MAX_SIZE).
const packetRoom = 512<<10 + 4<<10

// packetReader is what recvmmsg needs, made when a loop gets its first packet
// socket.
type packetReader struct {
	headers  [maxBurst]mmsghdr
	iov      [maxBurst]unix.Iovec
	controls [maxBurst][controlRoom]byte
	buffers  []byte // maxBurst times packetRoom; the kernel gives memory where frames lay

	// Frames that could not go on as they came, made anew: a buffer for each
	// that was read, of which the first cut are in use.
	cuts [maxBurst][]byte
	cut  int
	lens []int
}

func newPacketReader() (*packetReader, error) {
	buffers, err := unix.Mmap(-1, 0, maxBurst*packetRoom, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	// Of a page that is touched it shall not give 2 MiB.
	_ = unix.Madvise(buffers, unix.MADV_NOHUGEPAGE)
	return &packetReader{buffers: buffers}, nil
}

func (p *packetReader) close() { _ = unix.Munmap(p.buffers) }

// buffer is the i-th place for a frame.
func (p *packetReader) buffer(i int) []byte { return p.buffers[i*packetRoom : (i+1)*packetRoom] }

// prepare readies n places. A frame is read tagLen behind the beginning of
// its buffer, so that its tag can be put back.
func (p *packetReader) prepare(n int) {
	p.cut = 0
	for i := range n {
		buf := p.buffer(i)[tagLen:]
		p.iov[i] = unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
		p.headers[i] = mmsghdr{hdr: unix.Msghdr{
			Iov: &p.iov[i], Iovlen: 1, Control: &p.controls[i][0], Controllen: controlRoom,
		}}
	}
}

// readPackets reads up to asked frames from a packet socket into l.batch.
func (q *queue) readPackets(l *loop, asked int) (got, bytes int, errno unix.Errno) {
	if l.packets == nil {
		var err error
		if l.packets, err = newPacketReader(); err != nil {
			return 0, 0, unix.ENOMEM
		}
	}
	p := l.packets
	p.prepare(asked)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(q.fd), uintptr(unsafe.Pointer(&p.headers[0])), uintptr(asked), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, 0, errno
	}
	for i := range int(n) {
		h := &p.headers[i]
		buf := p.buffer(i)
		size := int(h.len)
		bytes += size
		if h.hdr.Flags&unix.MSG_TRUNC != 0 || size < vnet.HeaderLen+minFrame {
			q.dev.conn.CountDrop(frame.DropMalformed, size)
			continue
		}
		raw := buf[tagLen:][:size]
		if tag := auxTag(p.controls[i][:h.hdr.Controllen]); tag != 0 {
			raw = putTag(buf[:tagLen+size], tag)
		}
		q.adopt(&l.batch, p, raw)
	}
	return int(n), bytes, 0
}

// adopt adds a frame to the batch, in the form in which it can go on: see
// vnet.Adopt.
func (q *queue) adopt(b *bus.Batch, p *packetReader, raw []byte) {
	h, frame, way := vnet.Adopt(vnet.Parse(raw), raw[vnet.HeaderLen:])
	raw = raw[len(raw)-len(frame)-vnet.HeaderLen:]
	h.Put(raw)
	if way == vnet.AsItIs {
		q.add(b, raw, h)
		return
	}
	buf := &p.cuts[p.cut]
	p.cut++
	if way == vnet.ToBeCut {
		*buf, p.lens = vnet.Append((*buf)[:0], p.lens[:0], h, frame)
	} else {
		*buf, p.lens = vnet.Divide((*buf)[:0], p.lens[:0], h, frame)
	}
	rest := *buf
	for _, n := range p.lens {
		piece := rest[:n]
		rest = rest[n:]
		if way == vnet.ToBeParted {
			q.add(b, piece, vnet.Parse(piece))
		} else if q.fits(n) {
			b.AddPlain(piece)
		}
	}
}

// auxTag finds the tag that the kernel took out, as TPID<<16 | TCI, or 0, in
// a control message that holds struct tpacket_auxdata.
func auxTag(control []byte) uint32 {
	const header = unix.SizeofCmsghdr
	if len(control) < header+int(unsafe.Sizeof(auxdata{})) {
		return 0
	}
	c := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if c.Level != unix.SOL_PACKET || c.Type != unix.PACKET_AUXDATA {
		return 0
	}
	aux := (*auxdata)(unsafe.Pointer(&control[header]))
	if aux.status&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0
	}
	tpid := uint32(unix.ETH_P_8021Q)
	if aux.status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = uint32(aux.tpid)
	}
	return tpid<<16 | uint32(aux.tci)
}

// putTag puts a tag back into a frame that lies, its virtio-net header in
// front, tagLen behind the beginning of buf.
func putTag(buf []byte, tag uint32) []byte {
	const front = vnet.HeaderLen + addrLen
	copy(buf, buf[tagLen:][:front])
	binary.BigEndian.PutUint32(buf[front:], tag)
	vnet.Parse(buf).Shift(tagLen).Put(buf)
	return buf
}
