package device

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/vnet"
	"ipnfs/lane/lanetest"
)

// tap is a real one in a namespace of its own, and who talks on it.
type tap struct {
	*host
	name  string
	index int
	dev   *Device
	*station
}

// newTap makes one and joins it to a network until the test ends.
func newTap(t testing.TB, l *bustest.Lab, queues int, c Config) *tap {
	t.Helper()
	h := newHost(t)
	x := &tap{host: h, name: "dvt0"}
	c.Fds, x.index = h.tap(t, x.name, queues)
	x.dev = startTap(t, l, c)
	x.station = h.station(t, x.index)
	return x
}

// wire is the seq-th frame of a sender as it is on a wire.
func wire(sender, seq int) []byte { return marked(sender, seq)[vnet.HeaderLen:] }

// Real taps take and give frames with all that belongs to them: tags, what is
// to be cut and completed.
func TestTapsKeepAll(t *testing.T) {
	l := lanetest.Hub(t)
	a, b := newTap(t, l, 1, Config{}), newTap(t, l, 1, Config{})
	from, to := a.superStation(t, a.index), b.superStation(t, b.index)
	whole := bustest.NewTaper(-1)
	l.JoinAs(t, whole, bus.JoinOptions{Recv: true, Offload: true})
	raws := taggedFrames()
	for round := range 3 {
		for _, raw := range raws {
			from.send(t, raw)
		}
		to.Await(t, (round+1)*len(raws))
	}
	for i, got := range to.Received() {
		compare(t, "tap to tap", i, got, raws[i%len(raws)])
	}
	for i, s := range whole.Shapes() {
		compare(t, "tap to bus", i, append(s.Header, s.Data...), raws[i%len(raws)])
	}
	if stats := l.Net.Stats(); stats.Dropped() != 0 || stats.Frames != uint64(3*len(raws)) {
		t.Errorf("stats are %+v", stats)
	}
}

// Whatever a kernel accepts from a tap it gets, and nothing else: headers that
// lie do not come as far, and frames too short for it are lost.
func TestTapRefusesLies(t *testing.T) {
	fake := newFakeTap(t)
	l := lanetest.Hub(t)
	a := newTap(t, l, 1, Config{})
	da := fake.start(t, l, Config{})
	n := uint64(0)
	for _, raw := range lies() {
		fake.Bring(t, raw)
		n++
	}
	fake.Bring(t, marked(1, 1))
	if got := a.Await(t, 1); len(got) != 1 || !bytes.Equal(got[0], wire(1, 1)) {
		t.Errorf("%d frames came, or another than the good one", len(got))
	}
	if got := lanetest.Count(da.Port(), "drop_malformed"); got != n {
		t.Errorf("%d of %d lies are counted as malformed", got, n)
	}
	if got := lanetest.Count(a.dev.Port(), "drop_device"); got != 0 {
		t.Errorf("the kernel refused %d frames", got)
	}
}

// Frames too short to be any: the kernel takes none below an ethernet header,
// and gives some that root makes.
func TestShortFrames(t *testing.T) {
	l := lanetest.Hub(t)
	a, b := newTap(t, l, 1, Config{}), newTap(t, l, 1, Config{})
	from := l.Join(t, &bustest.Sink{})
	for n := 1; n < minFrame; n++ {
		bustest.Send(from, bytes.Repeat([]byte{0xff}, n))
	}
	bustest.Send(from, wire(1, 1))
	b.Await(t, 1)
	if got := lanetest.Count(b.dev.Port(), "drop_device"); got != minFrame-1 {
		t.Errorf("%d of %d short frames are counted as not taken", got, minFrame-1)
	}

	made := uint64(0)
	for n := 1; n < minFrame; n++ {
		if a.Try(bytes.Repeat([]byte{0xff}, n)) == nil {
			made++
		}
	}
	a.send(t, wire(2, 2))
	if got := b.Await(t, 2); len(got) != 2 || !bytes.Equal(got[1], wire(2, 2)) {
		t.Errorf("%d frames came", len(got))
	}
	if got := lanetest.Count(a.dev.Port(), "drop_malformed"); got != made {
		t.Errorf("%d short frames are counted, the kernel gave %d", got, made)
	}
}

// An interface that is down takes nothing: that is counted, and the device
// stays. When it is up again, so is the device.
func TestInterfaceDown(t *testing.T) {
	for what, queues := range map[string]int{"tap": 1, "two queues": 2, "packet socket": 0} {
		l := lanetest.Hub(t)
		from := l.Join(t, &bustest.Sink{})
		var h *host
		var d *Device
		var far *station
		e := &lanetest.Ending{}
		if queues > 0 {
			x := newTap(t, l, queues, Config{Ended: e.Ended})
			h, d, far = x.host, x.dev, x.station
		} else {
			other := newHost(t)
			h = newHost(t)
			a, b := veth(t, h, "dvt0", other, "dvt1")
			fd := h.packetSocket(t, a, unix.PACKET_VNET_HDR, unix.PACKET_AUXDATA)
			d, far = startPacket(t, l, Config{Fds: []int{fd}, Ended: e.Ended}), other.station(t, b)
		}
		for round := range 2 {
			before := len(far.Received())
			bustest.Send(from, wire(1, round))
			far.Await(t, before+1)
			h.change(t, "dvt0", netlink.LinkSetDown)
			lost := lanetest.Count(d.Port(), "drop_device")
			for i := range 5 {
				bustest.Send(from, wire(2, i))
				bustest.SendBatch(from, wire(3, i), wire(4, i))
			}
			if got := lanetest.Count(d.Port(), "drop_device") - lost; got != 15 {
				t.Errorf("%s: %d frames are counted as lost, want 15", what, got)
			}
			h.change(t, "dvt0", netlink.LinkSetUp)
			bustest.WaitFor(t, what+": the interface to work again", func() bool {
				bustest.Send(from, wire(5, round))
				return len(far.Received()) > before+1
			})
			frames := d.Port().Stats().Frames
			bustest.WaitFor(t, what+": the device to read again", func() bool {
				_ = far.Try(wire(6, round))
				return d.Port().Stats().Frames > frames
			})
		}
		if d.Conn().Gone() || e.Calls() != 0 {
			t.Errorf("%s: the device ended", what)
		}
		if err := bustest.CheckBalance(d.Port().Stats()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// An interface that is deleted ends the device, once, and leaves nothing.
func TestInterfaceDeleted(t *testing.T) {
	for what, c := range map[string]struct {
		queues int
		block  bool
		idle   bool
	}{
		"idle": {queues: 1, idle: true}, "busy": {queues: 1}, "several queues": {queues: 3}, "while it waits": {queues: 1, block: true},
	} {
		l := lanetest.Hub(t)
		other := newTap(t, l, 1, Config{})
		h := newHost(t)
		sink := &bustest.Sink{}
		slow := l.JoinAs(t, sink, bus.JoinOptions{Recv: true})
		if c.block {
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 2, bus.BlockSender }); err != nil {
				t.Fatal(err)
			}
		}
		before := len(lanetest.OpenFiles(t))
		fds, index := h.tap(t, "dvt0", c.queues)
		e := &lanetest.Ending{}
		d := startTap(t, l, Config{Fds: fds, Ended: e.Ended})
		number := d.Port().Number()
		far := h.station(t, index)
		for i := range 50 {
			far.send(t, wire(1, i))
		}
		bustest.WaitFor(t, "frames to flow", func() bool { return d.Port().Stats().Frames >= 2 })
		var stop atomic.Bool
		var flowing sync.WaitGroup
		if !c.idle && !c.block {
			flowing.Go(func() {
				for i := 0; !stop.Load(); i++ {
					_ = far.Try(wire(1, i))
					_ = other.Try(wire(2, i))
				}
			})
		}
		h.change(t, "dvt0", netlink.LinkDel)
		if c.block { // it is not looked at before there is room
			l.Leave(slow)
		}
		if reason := e.Await(t); reason == "" {
			t.Errorf("%s: no reason is given", what)
		}
		stop.Store(true)
		flowing.Wait()
		d.Close()
		if e.Calls() != 1 {
			t.Errorf("%s: Ended was called %d times", what, e.Calls())
		}
		if slices.Contains(l.Net.Ports(), number) {
			t.Errorf("%s: the port is still there", what)
		}
		lanetest.WantOpen(t, before+1) // the far end is open
		if other.dev.Conn().Gone() {
			t.Errorf("%s: another tap is gone", what)
		}
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Devices on real taps end while frames flow to and fro.
func TestTapEndsWhileFramesFlow(t *testing.T) {
	l := lanetest.Hub(t)
	other := newTap(t, l, 1, Config{})
	before := len(lanetest.OpenFiles(t))
	for i := range 12 {
		h := newHost(t)
		fds, index := h.tap(t, "dvt0", 1+i%2)
		e := &lanetest.Ending{}
		d := startTap(t, l, Config{Fds: fds, Ended: e.Ended})
		far := h.station(t, index)
		var stop atomic.Bool
		var flowing sync.WaitGroup
		for _, s := range []*station{far, other.station} {
			flowing.Go(func() {
				for k := 0; !stop.Load(); k++ {
					_ = s.Try(wire(1, k))
				}
			})
		}
		bustest.WaitFor(t, "frames to flow", func() bool { s := d.Port().Stats(); return s.Frames > 20 && s.Received > 20 })
		want := 0
		if i%3 == 0 {
			want = 1
			if err := l.Net.RemovePort(d.Port().Number()); err != nil {
				t.Error(err)
			}
		}
		d.Close()
		stop.Store(true)
		flowing.Wait()
		if got := e.Calls(); got != want {
			t.Errorf("Ended was called %d times, want %d", got, want)
		}
		err := h.ns.Do(func() error { _, err := netlink.LinkByName("dvt0"); return err })
		if err == nil {
			t.Error("the tap is still there")
		}
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Error(err)
		}
	}
	lanetest.WantOpen(t, before+2*12) // a namespace and a far end of each round
}

// A tap that is moved to another namespace works there.
func TestTapMoves(t *testing.T) {
	l := lanetest.Hub(t)
	from := l.Join(t, &bustest.Sink{})
	x := newTap(t, l, 1, Config{})
	bustest.Send(from, wire(1, 1))
	x.Await(t, 1)
	to := newHost(t)
	x.change(t, x.name, func(l netlink.Link) error { return netlink.LinkSetNsFd(l, to.ns.FD()) })
	there := to.station(t, to.up(t, x.name))
	bustest.Send(from, wire(1, 2))
	if got := there.Await(t, 1); !bytes.Equal(got[0], wire(1, 2)) {
		t.Error("another frame came")
	}
	there.send(t, wire(2, 1))
	bustest.WaitFor(t, "a frame to come", func() bool { return x.dev.Port().Stats().Frames == 1 })
	if x.dev.Conn().Gone() {
		t.Error("the device ended")
	}
}

// 64 taps, each in a namespace of its own, each talks to all.
func TestManyTaps(t *testing.T) {
	const taps, rounds = 64, 5
	l := lanetest.Hub(t)
	var all []*tap
	for range taps {
		all = append(all, newTap(t, l, 1, Config{}))
	}
	for i := range rounds {
		for who, x := range all {
			x.send(t, wire(who, i))
		}
	}
	for who, x := range all {
		got := x.Await(t, rounds*(taps-1))
		if len(got) != rounds*(taps-1) {
			t.Errorf("tap %d: %d frames came, want %d", who, len(got), rounds*(taps-1))
		}
		if err := bustest.CheckOrder(got, who); err != nil {
			t.Errorf("tap %d: %v", who, err)
		}
	}
	if stats := l.Net.Stats(); stats.Dropped() != 0 || stats.Frames != taps*rounds {
		t.Errorf("stats are %+v", stats)
	}
}

// A tap is not read while a receiver makes senders wait: its frames stay in
// the interface's own queue, which loses what does not fit, as any does.
func TestTapWaits(t *testing.T) {
	l, sink := lanetest.Blocking(t, 5)
	x := newTap(t, l, 1, Config{})
	const frames = 3000 // the queue of the interface holds 1000, and some are in other hands
	for i := range frames {
		_ = x.Try(wire(1, i))
	}
	bustest.WaitFor(t, "the receiver to be full", func() bool { return x.dev.Port().Stats().Frames == 5 })
	lost := uint64(0)
	x.change(t, x.name, func(l netlink.Link) error { lost = l.Attrs().Statistics.TxDropped; return nil })
	if lost < 1000 {
		t.Errorf("the interface lost %d of %d frames: the tap is read though nobody can take them", lost, frames)
	}
	var got [][]byte
	for len(got) < frames-int(lost) {
		bustest.WaitFor(t, fmt.Sprintf("frame %d of %d", len(got), frames-int(lost)), func() bool { return sink.Queued() > 0 })
		got = append(got, sink.Take())
	}
	if err := bustest.CheckOrder(got); err != nil {
		t.Error(err)
	}
	if got := x.dev.Port().Stats(); got.Frames != frames-lost || got.Dropped() != 0 {
		t.Errorf("the interface lost %d of %d frames, and the device's are %+v", lost, frames, got)
	}
}

// All queues of a tap are read, and written to.
func TestTapQueues(t *testing.T) {
	const hosts, frames = 40, 10
	l := lanetest.Hub(t)
	ear := &bustest.Recorder{}
	from := l.Join(t, ear)
	x := newTap(t, l, 4, Config{})
	for i := range frames {
		for who := range hosts {
			x.send(t, wire(who, i))
		}
	}
	bustest.WaitFor(t, "all to come", func() bool { return len(ear.Frames()) >= hosts*frames })
	if err := bustest.CheckOrder(ear.Frames()); err != nil {
		t.Error(err)
	}
	for i := range frames {
		for who := range hosts {
			bustest.Send(from, wire(who, i))
		}
	}
	got := x.Await(t, hosts*frames)
	if err := bustest.CheckOrder(got); err != nil || len(got) != hosts*frames {
		t.Errorf("%d frames came, want %d: %v", len(got), hosts*frames, err)
	}
}
