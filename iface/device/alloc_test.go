package device

import (
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

func skipRace(t *testing.T) {
	t.Helper()
	if harness.Race {
		t.Skip("the race detector allocates")
	}
}

// pumper writes the same frame over and over to a socket from which a device
// reads, and drains another to which a device writes.
func pumper(from int, raw []byte, to int, device *Device) func(frames int) {
	buf := make([]byte, 1<<17)
	return func(frames int) {
		at := device.Port().Stats().Frames
		for sent := 0; sent < frames; {
			if _, err := unix.Write(from, raw); err == nil {
				sent++
			} else {
				runtime.Gosched()
			}
			if sent%16 == 0 {
				lanetest.AwaitFrames(device.Port(), at+uint64(sent))
				for {
					if _, err := unix.Read(to, buf); err != nil {
						break
					}
				}
			}
		}
		lanetest.AwaitFrames(device.Port(), at+uint64(frames))
	}
}

// From one tap to another nothing is allocated, whatever the frames are.
func TestAllocations(t *testing.T) {
	skipRace(t)
	raws := map[string][]byte{
		"small": marked(1, 1),
		"super": bustest.Super{To: 0xff, Size: 1448, Payload: 20000}.Raw(),
	}
	withAndWithoutRing(t, func(t *testing.T) {
		for what, raw := range raws {
			l := lanetest.Hub(t)
			a, b := newFakeTap(t), newFakeTap(t)
			d := a.start(t, l, Config{})
			b.start(t, l, Config{})
			lanetest.NoAllocations(t, what, pumper(a.FD, raw, b.FD, d))
			if n := drop(l.Net, "malformed") + drop(l.Net, "device"); n != 0 {
				t.Errorf("%s: %d frames were lost", what, n)
			}
		}
	})
}

// swallow takes all and keeps nothing.
type swallow struct {
	bustest.Sink
	frames atomic.Int64
}

// Claim takes all.
func (*swallow) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Emit counts.
func (s *swallow) Emit(_ *frame.Batch, i, j int, _ uint64) { s.frames.Add(int64(j - i)) }

// Nor to who takes no super-frames, nor where the queue is full.
func TestAllocationsOfForms(t *testing.T) {
	skipRace(t)
	l := lanetest.Hub(t)
	a, b := newFakeTap(t), newFakeTap(t)
	d := a.start(t, l, Config{})
	b.start(t, l, Config{})
	cut, full := &swallow{}, &bustest.Sink{}
	l.JoinAs(t, cut, bus.JoinOptions{Recv: true})
	l.JoinAs(t, full, bus.JoinOptions{Recv: true})
	lanetest.NoAllocations(t, "cut, and dropped", pumper(a.FD, bustest.Super{To: 0xff, Size: 1448, Payload: 9000}.Raw(), b.FD, d))
	if cut.frames.Load() < 7*10000 {
		t.Errorf("%d frames came cut", cut.frames.Load())
	}
}

// From one real tap to another, and from one wire to another.
func TestAllocationsOfTaps(t *testing.T) {
	skipRace(t)
	t.Run("tap", func(t *testing.T) {
		l := lanetest.Hub(t)
		a, b := newTap(t, l, 1, Config{}), newTap(t, l, 1, Config{})
		lanetest.NoAllocations(t, "tap to tap", pumper(a.fd, wire(1, 1), b.fd, a.dev))
		peer := a.superStation(t, a.index)
		lanetest.NoAllocations(t, "super-frames", pumper(peer.fd, bustest.Super{To: 0xff, Size: 1448, Payload: 20000}.Raw(), b.fd, a.dev))
	})
	t.Run("packet", func(t *testing.T) {
		l := lanetest.Hub(t)
		var far [2]*station
		var near [2]*Device
		for i := range far {
			h, other := newHost(t), newHost(t)
			a, b := veth(t, h, "dvt0", other, "dvt1")
			fd := h.packetSocket(t, a, unix.PACKET_VNET_HDR, unix.PACKET_AUXDATA)
			near[i] = startPacket(t, l, Config{Fds: []int{fd}})
			far[i] = other.superStation(t, b)
		}
		tagged := bustest.Super{To: 0xff, Size: 1448, Payload: 20000, Tags: []uint32{0x81002064}}.Raw()
		lanetest.NoAllocations(t, "wire to wire", pumper(far[0].fd, marked(1, 1), far[1].fd, near[0]))
		lanetest.NoAllocations(t, "super-frames with a tag", pumper(far[0].fd, tagged, far[1].fd, near[0]))
	})
}
