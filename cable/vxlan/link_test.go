package vxlan

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/lane/udp"
	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testVNI = 77

// host is a peer of a test: an address of loopback, where a link may be.
type host struct {
	fd int
	at udp.Addr
}

// newHost makes a socket that knows of no runs, and no VXLAN.
func newHost(t testing.TB, ip string, port uint16) *host {
	t.Helper()
	fd, err := udp.Open(udp.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(ip), port)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 0); err != nil {
		t.Fatal(err)
	}
	return &host{fd: fd, at: at(netip.AddrPortFrom(netip.MustParseAddr(ip), port).String())}
}

// freePort is one that no socket has.
func freePort(t testing.TB) uint16 {
	t.Helper()
	fd, err := udp.Open(udp.Config{Local: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	a, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(a.(*unix.SockaddrInet4).Port)
}

// received takes the datagrams that wait.
func (h *host) received() (list [][]byte) {
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(h.fd, buf)
		if err != nil {
			return list
		}
		list = append(list, bytes.Clone(buf[:n]))
	}
}

// send sends datagrams to a link.
func (h *host) send(t testing.TB, to udp.Addr, datagrams ...[]byte) {
	t.Helper()
	s := &udp.Sender{Family: unix.AF_INET}
	var d []udp.Datagram
	for _, b := range datagrams {
		d = append(d, udp.Datagram{To: to, Data: b})
	}
	if n, err := s.Send(h.fd, d); n != len(d) || err != nil {
		t.Fatal(n, err)
	}
}

// lab is a link at 127.0.0.1 as a port of a network, with its peers, and who else is
// there.
type lab struct {
	*bustest.Lab
	link  *link
	at    udp.Addr
	peers []*host
	port  *bus.Port
	near  *bustest.Recorder
}

// newLab makes a link to so many peers.
func newLab(t testing.TB, peers int, edit func(k *link)) *lab {
	t.Helper()
	port := freePort(t)
	l := &lab{Lab: lanetest.Hub(t), near: &bustest.Recorder{}}
	k, err := newLink(l.Net.Memory(), testVNI, port)
	if err != nil {
		t.Fatal(err)
	}
	for i := range peers {
		h := newHost(t, netip.AddrFrom4([4]byte{127, 0, 0, byte(2 + i)}).String(), port)
		l.peers = append(l.peers, h)
		k.peers[h.at.WithPort(0)] = true
		k.flood = append(k.flood, h.at)
	}
	local := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	fd, probe, err := udp.OpenPair(udp.Config{Local: local})
	if err != nil {
		t.Fatal(err)
	}
	k.fd, l.at, l.link = fd, at(local.String()), k
	path, longest, err := udp.NewPath(probe, k.flood, func(bytes int) { k.setLongest(bytes) })
	if err != nil {
		t.Fatal(err)
	}
	k.path = path
	k.setLongest(longest)
	k.out.Family = unix.AF_INET
	if edit != nil {
		edit(k)
	}
	if peers > 1 {
		k.table = newTable(l.Net.Memory())
	}
	e, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{{FD: fd, Driver: k}}}, bus.JoinOptions{Recv: true, Send: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	l.port = e.Conn().Port()
	l.Join(t, l.near)
	return l
}

func vxlanHead(vni uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{8, 0, 0, 0}, vni<<8)
}

// ether is a frame between stations of those numbers; 255: all.
func ether(to, from byte, n int) []byte {
	data := append([]byte{2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x88, 0xb5}, make([]byte, n-14)...)
	if to == 255 {
		copy(data, "\xff\xff\xff\xff\xff\xff")
	}
	for i := 14; i < n; i++ {
		data[i] = byte(i) ^ from
	}
	return data
}

// await waits until so many frames came to the network.
func (l *lab) await(t testing.TB, n int) [][]byte {
	t.Helper()
	bustest.WaitFor(t, "frames to come", func() bool { return len(l.near.Frames()) >= n })
	return l.near.Frames()
}

// count is a counter of the link's port.
func (l *lab) count(name string) uint64 { return lanetest.Count(l.port, name) }

// Frames of peers come, and nothing else; what is wrong is counted.
func TestIn(t *testing.T) {
	l := newLab(t, 2, nil)
	stranger := newHost(t, "127.0.0.9", l.at.Port())
	data := ether(1, 2, 100)
	sound := slices.Concat(vxlanHead(testVNI), data)
	stranger.send(t, l.at, sound)
	l.peers[0].send(t, l.at, slices.Concat(vxlanHead(testVNI+1), data))
	l.peers[0].send(t, l.at, []byte{}, sound[:7], sound[:21], slices.Concat([]byte{0, 0, 0, 0}, sound[4:]))
	bustest.WaitFor(t, "all to be dropped", func() bool { return l.count("drop_filtered") == 2 && l.count("drop_malformed") == 4 })
	reserved := slices.Concat([]byte{0xff, 1, 2, 3}, sound[4:7], []byte{9}, data)
	l.peers[0].send(t, l.at, sound, reserved)
	got := l.await(t, 2)
	for i := range got {
		if !bytes.Equal(got[i], data) {
			t.Errorf("frame %d of %d bytes came, want %d", i, len(got[i]), len(data))
		}
	}
	l.peers[1].send(t, l.at, slices.Repeat([][]byte{sound}, 100)...)
	if got := l.await(t, 102); len(got) > 102 {
		t.Errorf("%d frames came", len(got))
	}
}

// Anybody may send where there is a group.
func TestAnybody(t *testing.T) {
	l := newLab(t, 2, func(k *link) { k.anybody = true })
	stranger := newHost(t, "127.0.0.9", 0)
	stranger.send(t, l.at, slices.Concat(vxlanHead(testVNI), ether(1, 2, 100)))
	l.await(t, 1)
}

// Frames go to who is behind a peer by it alone, to others by all, each behind a header.
func TestOut(t *testing.T) {
	l := newLab(t, 2, nil)
	a, b := l.peers[0], l.peers[1]
	sender := &bustest.Recorder{}
	conn := l.Join(t, sender)
	check := func(what string, to byte, toA, toB bool) {
		t.Helper()
		data := ether(to, 1, 200)
		want := slices.Concat(vxlanHead(testVNI), data)
		bustest.Send(conn, data)
		for h, wanted := range map[*host]bool{a: toA, b: toB} {
			got := h.received()
			if len(got) > 1 || (len(got) == 1) != wanted || wanted && !bytes.Equal(got[0], want) {
				t.Errorf("%s: %d datagrams come to %v, wanted: %v", what, len(got), h.at, wanted)
			}
		}
	}
	check("an unknown station", 10, true, true)
	check("all", 255, true, true)
	a.send(t, l.at, slices.Concat(vxlanHead(testVNI), ether(255, 10, 60)))
	l.await(t, 1+2)
	check("a station behind a", 10, true, false)
	other := newHost(t, b.at.IP().String(), 0) // another port of b, as Linux has many
	other.send(t, l.at, slices.Concat(vxlanHead(testVNI), ether(255, 10, 60)))
	l.await(t, 1+2+1+1)
	check("the station has moved", 10, false, true)
	check("an unknown station", 11, true, true)

	group := ether(255, 12, 60)
	group[6] |= 1
	a.send(t, l.at, slices.Concat(vxlanHead(testVNI), group))
	l.await(t, 1+2+1+1+1+1)
	if _, known := l.link.table.find(station(group[6:])); known {
		t.Error("a group is behind a")
	}
	frames := []frame.Frame{frame.NewFrame(ether(10, 1, 100)), frame.NewFrame(ether(11, 1, 100)), frame.NewFrame(ether(10, 1, 100))}
	if n, err := l.link.Write(&lane.Turn{}, frames); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if toA, toB := len(a.received()), len(b.received()); toA != 1 || toB != 3 {
		t.Errorf("of a burst %d go to a and %d to b, want 1 and 3", toA, toB)
	}
}

// A frame that is marked marks what is around it.
func TestOutMarks(t *testing.T) {
	l := newLab(t, 1, nil)
	for name, data := range packets(ce) {
		if _, tos := l.link.Route(data); tos != ce {
			t.Errorf("%s: %d", name, tos)
		}
	}
	if to, _ := l.link.Route(make([]byte, 13)); len(to) > 0 {
		t.Error("a frame without a header goes somewhere")
	}
}

// taker takes all frames and keeps none.
type taker struct{ bustest.Recorder }

func (*taker) Emit(*frame.Batch, int, int, uint64) {}

func TestAllocatesNothing(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	l := newLab(t, 2, nil)
	l.Leave(l.near.Conn())
	l.Join(t, &taker{})
	a := l.peers[0]
	s := &udp.Sender{Family: unix.AF_INET, Head: vxlanHead(testVNI)}
	var d []udp.Datagram
	for i := range 8 {
		d = append(d, udp.Datagram{To: l.at, Data: ether(1, byte(i), 500)})
	}
	lanetest.NoAllocations(t, "in", func(frames int) {
		at := l.port.Stats().Frames
		for sent := 0; sent < frames; sent += len(d) {
			if n, err := s.Send(a.fd, d); n != len(d) || err != nil {
				t.Fatal(n, err)
			}
			lanetest.AwaitFrames(l.port, at+uint64(sent+len(d)))
		}
	})
	frames := []frame.Frame{frame.NewFrame(ether(3, 9, 500)), frame.NewFrame(ether(255, 9, 500)), frame.NewFrame(ether(77, 9, 100))}
	turn := &lane.Turn{}
	if n := testing.AllocsPerRun(500, func() { _, _ = l.link.Write(turn, frames) }); n != 0 {
		t.Errorf("out: %v allocations", n)
	}
}
