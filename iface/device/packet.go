package device

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
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

// packet is the driver of an AF_PACKET socket with PACKET_VNET_HDR and
// PACKET_AUXDATA: what recvmmsg needs.
type packet struct {
	queue
	headers  [lane.MaxBurst]mmsghdr
	iov      [lane.MaxBurst]unix.Iovec
	controls [lane.MaxBurst][controlRoom]byte
	lens     []int // of the pieces of a frame that is made anew
}

var _ lane.Driver = (*packet)(nil)

// StartPacket makes a packet socket a port of n.
func StartPacket(n *bus.Network, c Config) (*Device, error) {
	return join(n, c, packetFits, packetSources(c.Fds))
}

func packetSources(fds []int) (sources []lane.Source) {
	for _, fd := range fds {
		sources = append(sources, lane.Source{FD: fd, Driver: &packet{queue: queue{fd: fd}}})
	}
	return sources
}

// packetFits is the header, the payload and one tag of 802.1Q (packet_snd).
func packetFits(mtu int) (maxLen int, freeTags frame.Tags) {
	if mtu == 0 {
		return 0, 0
	}
	return minFrame + mtu, frame.CTag
}

// prepare readies n places. A frame is read tagLen behind the beginning of
// its buffer, so that its tag can be put back.
func (q *packet) prepare(t *lane.Turn, n int) {
	t.Spare = t.Spare[:0]
	for i := range n {
		buf := t.Buffer(i)[tagLen:]
		q.iov[i] = unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
		q.headers[i] = mmsghdr{hdr: unix.Msghdr{
			Iov: &q.iov[i], Iovlen: 1, Control: &q.controls[i][0], Controllen: controlRoom,
		}}
	}
}

// Read is lane.Driver's.
func (q *packet) Read(t *lane.Turn, room int) (frames int, err error) {
	q.prepare(t, room)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(q.fd), uintptr(unsafe.Pointer(&q.headers[0])), uintptr(room), unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
	case unix.EAGAIN, unix.EINTR, unix.ENETDOWN, unix.ENOBUFS:
		return 0, nil
	default:
		return 0, errno
	}
	for i := range int(n) {
		h := &q.headers[i]
		buf := t.Buffer(i)
		size := int(h.len)
		if h.hdr.Flags&unix.MSG_TRUNC != 0 || size < vnet.HeaderLen+minFrame {
			t.Drop(frame.DropMalformed, size)
			continue
		}
		raw := buf[tagLen:][:size]
		if tag := auxTag(q.controls[i][:h.hdr.Controllen]); tag != 0 {
			raw = putTag(buf[:tagLen+size], tag)
		}
		q.adopt(t, raw)
	}
	return int(n), nil
}

// adopt adds a frame to the batch, in the form in which it can go on: see
// vnet.Adopt.
func (q *packet) adopt(t *lane.Turn, raw []byte) {
	h, frame, way := vnet.Adopt(vnet.Parse(raw), raw[vnet.HeaderLen:])
	raw = raw[len(raw)-len(frame)-vnet.HeaderLen:]
	h.Put(raw)
	if way == vnet.AsItIs {
		t.Batch.AddVnet(raw)
		return
	}
	at := len(t.Spare)
	if way == vnet.ToBeCut {
		t.Spare, q.lens = vnet.Append(t.Spare, q.lens[:0], h, frame)
	} else {
		t.Spare, q.lens = vnet.Divide(t.Spare, q.lens[:0], h, frame)
	}
	rest := t.Spare[at:]
	for _, n := range q.lens {
		if way == vnet.ToBeParted {
			t.Batch.AddVnet(rest[:n])
		} else {
			t.Batch.AddPlain(rest[:n])
		}
		rest = rest[n:]
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
