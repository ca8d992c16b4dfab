package device

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

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

// packetReader is what recvmmsg needs, made when a loop gets its first packet
// socket.
type packetReader struct {
	headers  [maxBurst]mmsghdr
	iov      [maxBurst]unix.Iovec
	controls [maxBurst][controlRoom]byte
}

// prepare readies n places. A frame is read tagLen behind the beginning of
// its buffer, so that its tag can be put back.
func (p *packetReader) prepare(l *loop, n int) {
	for i := range n {
		buf := l.buffer(i)[tagLen:]
		p.iov[i] = unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
		p.headers[i] = mmsghdr{hdr: unix.Msghdr{
			Iov: &p.iov[i], Iovlen: 1, Control: &p.controls[i][0], Controllen: controlRoom,
		}}
	}
}

// readPackets reads up to asked frames from a packet socket into l.batch.
func (q *queue) readPackets(l *loop, asked int) (got, bytes int, errno unix.Errno) {
	if l.packets == nil {
		l.packets = &packetReader{}
	}
	p := l.packets
	p.prepare(l, asked)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(q.fd), uintptr(unsafe.Pointer(&p.headers[0])), uintptr(asked), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, 0, errno
	}
	for i := range int(n) {
		h := &p.headers[i]
		buf := l.buffer(i)
		size := int(h.len)
		bytes += size
		if h.hdr.Flags&unix.MSG_TRUNC != 0 || size < vnet.HeaderLen+minFrame {
			size = 0 // accept counts it
		}
		raw := buf[tagLen:][:size]
		if tag := auxTag(p.controls[i][:h.hdr.Controllen]); tag != 0 && size > 0 {
			raw = putTag(buf[:tagLen+size], tag)
		}
		q.accept(&l.batch, raw)
	}
	return int(n), bytes, 0
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
