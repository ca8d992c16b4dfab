package device

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// auxMessage is a control message with struct tpacket_auxdata, as the kernel
// makes it.
func auxMessage(level, typ int32, status uint32, tci, tpid uint16) []byte {
	b := make([]byte, unix.CmsgSpace(20))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, typ
	h.SetLen(unix.CmsgLen(20))
	data := b[unix.CmsgLen(0):]
	native := binary.NativeEndian
	native.PutUint32(data, status)
	native.PutUint16(data[16:], tci)
	native.PutUint16(data[18:], tpid)
	return b
}

func TestAuxTag(t *testing.T) {
	const valid, both = unix.TP_STATUS_VLAN_VALID, unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
	good := auxMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, both, 0x2064, 0x88a8)
	for what, c := range map[string]struct {
		control []byte
		want    uint32
	}{
		"nothing":               {nil, 0},
		"untagged":              {auxMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, 0, 0x2064, 0x88a8), 0},
		"tagged":                {good, 0x88a8_2064},
		"of an old kernel":      {auxMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, valid, 0x2064, 0), 0x8100_2064},
		"only the TPID":         {auxMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, unix.TP_STATUS_VLAN_TPID_VALID, 1, 0x8100), 0},
		"the null VLAN":         {auxMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, both, 0, 0x8100), 0x8100_0000},
		"another level":         {auxMessage(unix.SOL_SOCKET, unix.PACKET_AUXDATA, both, 1, 0x8100), 0},
		"another message":       {auxMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA+1, both, 1, 0x8100), 0},
		"half a message":        {good[:unix.CmsgLen(20)-1], 0},
		"a message and no more": {good[:unix.CmsgLen(20)], 0x88a8_2064},
	} {
		if got := auxTag(c.control); got != c.want {
			t.Errorf("%s: tag %#x, want %#x", what, got, c.want)
		}
	}
}

// FuzzAuxTag reads any control message as another parser does.
func FuzzAuxTag(f *testing.F) {
	f.Add(auxMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, ^uint32(0), 0x2064, 0x88a8))
	f.Add(auxMessage(unix.SOL_PACKET, unix.PACKET_AUXDATA, unix.TP_STATUS_VLAN_VALID, 1, 0)[:30])
	f.Fuzz(func(t *testing.T, control []byte) {
		var aligned [controlRoom]byte
		n := copy(aligned[:], control)
		got := auxTag(aligned[:n])
		messages, err := unix.ParseSocketControlMessage(aligned[:n])
		if err != nil || len(messages) != 1 || len(messages[0].Data) < 20 {
			return // no kernel makes it
		}
		m, native := messages[0], binary.NativeEndian
		want, status := uint32(0), native.Uint32(m.Data)
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && status&unix.TP_STATUS_VLAN_VALID != 0 {
			tpid := uint16(0x8100)
			if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
				tpid = native.Uint16(m.Data[18:])
			}
			want = uint32(tpid)<<16 | uint32(native.Uint16(m.Data[16:]))
		}
		if got != want {
			t.Errorf("% x: tag %#x, want %#x", aligned[:n], got, want)
		}
	})
}

// putTag undoes what the kernel did: the tag stands in the frame again, and
// the header points where it did.
func FuzzPutTag(f *testing.F) {
	for _, raw := range superFrames() {
		f.Add(raw[:min(len(raw), 2000)], uint32(0x81002064))
	}
	f.Add(marked(1, 1), uint32(0x88a80001))
	f.Add(make([]byte, vnet.HeaderLen+minFrame), uint32(0xffffffff))
	f.Fuzz(func(t *testing.T, raw []byte, tag uint32) {
		if len(raw) < vnet.HeaderLen+minFrame {
			return
		}
		buf := append([]byte("room"), raw...)
		got := putTag(buf, tag)
		if len(got) != len(raw)+tagLen {
			t.Fatalf("%d bytes with a tag are %d", len(raw), len(got))
		}
		frame := raw[vnet.HeaderLen:]
		want := append(binary.BigEndian.AppendUint32(bytes.Clone(frame[:12]), tag), frame[12:]...)
		if !bytes.Equal(got[vnet.HeaderLen:], want) {
			t.Errorf("the frame is % x, want % x", got[vnet.HeaderLen:], want)
		}
		if h := vnet.Parse(raw); vnet.Check(h, frame) == nil {
			if h.HdrLen != 0 {
				h.HdrLen += tagLen
			}
			if h.Flags&vnet.NeedsCsum != 0 {
				h.CsumStart += tagLen
			}
			if after := vnet.Parse(got); after != h {
				t.Errorf("the header is %+v, want %+v", after, h)
			}
		}
	})
}

// tagged are frames with tags of all kinds, to be cut and complete.
func taggedFrames() (raws [][]byte) {
	for _, tags := range [][]uint32{
		nil, {0x8100_0064}, {0x8100_e000}, {0x8100_0fff}, {0x88a8_2064}, {0x88a8_0001, 0x8100_0002}, {0x8100_0003, 0x8100_0004},
	} {
		for _, s := range []bustest.Super{{Size: 1000, Payload: 5001}, {Payload: 900}, {Size: 1000, Payload: 3000, V6: true, UDP: true}} {
			s.To, s.Tags = 0xff, tags
			raws = append(raws, s.Raw(), bustest.WithHeader(vnet.Header{}, bustest.Complete(s.Raw())[0]))
		}
	}
	return raws
}

// What comes by a packet socket is what was sent at the other end of the
// wire: tags and the header are kept. The same goes out.
func TestPacketKeepsAll(t *testing.T) {
	near, far := newHost(t), newHost(t)
	a, b := veth(t, near, "dvt0", far, "dvt1")
	l := lanetest.Hub(t)
	d := startPacket(t, l, Config{Fds: []int{near.packetSocket(t, a, unix.PACKET_VNET_HDR, unix.PACKET_AUXDATA)}})
	peer := far.superStation(t, b)
	ear := bustest.NewTaper(-1)
	from := l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Send: true, Offload: true})

	raws := taggedFrames()
	for i := range 40 { // so many that they come in bursts
		peer.send(t, raws[i%len(raws)])
	}
	for _, raw := range raws {
		peer.send(t, raw)
	}
	bustest.WaitFor(t, "all to come", func() bool { return len(ear.Frames()) >= 40+len(raws) })
	for i, s := range ear.Shapes() {
		want := raws[i%len(raws)]
		if i >= 40 {
			want = raws[i-40]
		}
		compare(t, "in", i, append(s.Header, s.Data...), want)
	}

	for _, raw := range raws {
		bustest.SendVnet(from, raw)
	}
	for i, got := range peer.Await(t, len(raws)) {
		compare(t, "out", i, got, raws[i])
	}
	if stats := d.Port().Stats(); stats.Dropped() != 0 || stats.Frames != uint64(40+len(raws)) {
		t.Errorf("stats are %+v", stats)
	}
}

// compare compares a frame with that which was sent. The kernel may verify
// checksums that are complete, and tell so; hdr_len is a hint.
func compare(t *testing.T, what string, i int, got, want []byte) {
	t.Helper()
	g, w := vnet.Parse(got), vnet.Parse(want)
	g.Flags &^= vnet.DataValid
	g.HdrLen, w.HdrLen = 0, 0
	if g != w {
		t.Errorf("%s, frame %d: the header is %+v, want %+v", what, i, g, w)
	}
	if !bytes.Equal(got[vnet.HeaderLen:], want[vnet.HeaderLen:]) {
		n := min(len(got), len(want), 90)
		t.Errorf("%s, frame %d of %d bytes is\n% x, want %d bytes,\n% x", what, i, len(got), got[vnet.HeaderLen:n], len(want), want[vnet.HeaderLen:n])
	}
}

// What does not fit the room for a frame is counted, and what follows comes.
func TestPacketTruncated(t *testing.T) {
	l := lanetest.Hub(t)
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[1])
	d := startPacket(t, l, Config{Fds: []int{p[0]}})
	ear := &bustest.Recorder{}
	l.Join(t, ear)
	if err := unix.SetsockoptInt(p[1], unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 2*lane.FrameRoom); err != nil {
		harness.Missing(t, "the right to send a datagram of 512 KiB: "+err.Error())
	}
	put(t, p[1], make([]byte, lane.FrameRoom-tagLen+1))
	put(t, p[1], make([]byte, 23))
	put(t, p[1], marked(1, 1))
	put(t, p[1], make([]byte, 1))
	put(t, p[1], marked(1, 2))
	bustest.WaitFor(t, "all to come", func() bool {
		return len(ear.Frames()) == 2 && lanetest.Count(d.Port(), "drop_malformed") == 3
	})
	if err := bustest.CheckOrder(ear.Frames()); err != nil {
		t.Error(err)
	}
}
