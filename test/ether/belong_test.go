package ether

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"ipnfs/test/harness"
)

// flood writes a frame as often as it can, until stop is called. What a device
// without a carrier, or a full queue, refuses is no fault.
func flood(t *testing.T, to io.Writer, body string) (stop func()) {
	t.Helper()
	var work sync.WaitGroup
	var done atomic.Bool
	work.Go(func() {
		f := frame(1, body)
		for !done.Load() {
			_, _ = to.Write(f)
		}
	})
	stop = func() {
		done.Store(true)
		work.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// sent counts the frames that a port has sent.
func (l *lab) sent(port string) uint64 {
	return harness.ReadStats(l.t, l.Path(lan, "ports", port, "stats"))["frames"]
}

// An interface comes up where it belongs. VLAN 1 is busy, and what is attached
// is up and sends already: not one frame passes between the two, at free
// numbers and at reserved ones, the first time and when it comes back.
func TestAttachedWhereItBelongs(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.set(lan, "switch/vlan=on")
	first, other := l.openPort(lan), l.openPort(lan)
	l.setPort(2, "pvid=10")
	if err := os.Mkdir(l.Path(lan, "ports", "7"), 0o755); err != nil {
		t.Fatal(err)
	}

	a, g, peer := newHost(t), newHost(t), newHost(t)
	a.IP("tuntap add dev t0 mode tap")
	a.Quiet("t0")
	a.IP("link set t0 up")
	g.veth("v0", peer)
	g.IP("link set v0 up")
	peer.Quiet("eth0")
	peer.IP("link set eth0 up")
	tap, veth := a.wire("t0"), peer.wire("eth0")
	stops := []func(){
		flood(t, first.f, "of VLAN 1"),
		flood(t, tap.file, "of VLAN 10, tap"),
		flood(t, veth.file, "of VLAN 10, veth"),
	}

	for round := range 8 {
		port, settings := "7", ""
		switch {
		case round == 0: // the first time it is told what the port is
			settings = " pvid=10"
		case round%2 == 1:
			port, settings = "20", " pvid=10"
		}
		for _, c := range []struct {
			h          *host
			file, name string
		}{{a, "tap", "t0"}, {g, "grab", "v0"}} {
			c.h.attach(l, lan, c.file, c.name+" port="+port+settings)
			if got := l.portOf(lan, c.file, c.name, c.h); got != port {
				t.Fatalf("%s is port %q, want %s", c.name, got, port)
			}
			before := l.sent(port)
			harness.Eventually(t, c.name+" to send", func() bool { return l.sent(port) > before+100 })
			c.h.attach(l, lan, c.file, "-"+c.name)
		}
	}
	for _, stop := range stops {
		stop()
	}
	for what, d := range map[string]door{"the tap": tap, "the veth": veth} {
		if len(d.came("of VLAN 1")) > 0 {
			t.Errorf("%s heard frames of VLAN 1", what)
		}
	}
	for _, body := range []string{"of VLAN 10, tap", "of VLAN 10, veth"} {
		if len(first.came(body)) > 0 {
			t.Errorf("frames %q came to VLAN 1", body)
		}
		if len(other.came(body)) == 0 {
			t.Errorf("frames %q did not come to VLAN 10", body)
		}
	}
}

// Where ports begin without a VLAN for untagged frames, none passes: not when a
// port joins, nor when the policy is written anew under load.
func TestNoVLANAtFirst(t *testing.T) { overWires(t, testNoVLANAtFirst) }

func testNoVLANAtFirst(t *testing.T, l *lab) {
	const policy = "switch vlan=on default_pvid=0"
	l.set(lan, "policy="+policy)
	h := newHost(t)
	h.join(l, "t0")
	h.Quiet("t0")
	out, in := h.wire("t0"), l.openPort(lan)
	flood(t, in.f, "from a file")
	flood(t, out.file, "from a tap")
	for range 20 {
		l.set(lan, "policy="+policy)
	}
	dropped := func() uint64 { return harness.ReadStats(t, l.Path(lan, "stats"))["drop_vlan"] }
	before := dropped()
	harness.Eventually(t, "frames to be dropped", func() bool { return dropped() > before+100 })
	if len(out.came("from a file")) > 0 || len(in.came("from a tap")) > 0 {
		t.Error("untagged frames passed")
	}
}
