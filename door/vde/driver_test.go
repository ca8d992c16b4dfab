package vde

import (
	"bytes"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/lane/vdeplug"
	"ipnfs/test/harness"
)

// From one client to another nothing is allocated.
func TestNoAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	l := newLab(t)
	a, b := l.join(t, 0, ""), l.join(t, 0, "")
	from, to := l.Net.Port(1), l.Net.Port(2)
	data, buf := lanetest.Frame(1, 14), make([]byte, 1<<16)
	drain := func() {
		for {
			if _, err := unix.Read(b.fd, buf); err != nil {
				return
			}
		}
	}
	atOnce := 400 // at first, so that later no more wait than then
	lanetest.NoAllocations(t, "datagrams", func(frames int) {
		at := from.Stats().Frames
		for sent := 0; sent < frames; {
			if _, err := unix.Write(a.fd, data); err == nil {
				sent++
			} else {
				runtime.Gosched()
			}
			if sent%atOnce == 0 {
				lanetest.AwaitFrames(from, at+uint64(sent))
				for drain(); to.Stats().Queued > 0; drain() {
					runtime.Gosched()
				}
			}
		}
		lanetest.AwaitFrames(from, at+uint64(frames))
		atOnce = 200
	})
}

// A frame over the mtu is refused, and so is one that is longer than any network
// allows.
func TestLongFrames(t *testing.T) {
	l := newLab(t)
	a, b := l.join(t, 0, ""), l.join(t, 0, "")
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU = 1000 }); err != nil {
		t.Fatal(err)
	}
	a.sends(t, make([]byte, 1001))
	a.sends(t, bytes.Repeat([]byte{1}, 1000))
	if got := b.receive(t); len(got) != 1000 {
		t.Errorf("%d bytes came", len(got))
	}
	if n := lanetest.Count(l.Net.Port(1), "refused_too_long"); n != 1 {
		t.Errorf("%d were refused", n)
	}
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU = 1 << 19 }); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 2<<20); err != nil {
		t.Skip("this takes root: ", err)
	}
	a.sends(t, make([]byte, lane.FrameRoom+1))
	bustest.WaitFor(t, "the longest to be counted", func() bool { return lanetest.Count(l.Net.Port(1), "refused_too_long") == 2 })
	a.sends(t, []byte("after it"))
	if got := b.receive(t); string(got) != "after it" {
		t.Errorf("%d bytes came", len(got))
	}
}

// A client that is stopped holds up nobody, unless the network is to wait for him;
// and gets what waited for him.
func TestStoppedClient(t *testing.T) {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.DropOld, bus.BlockSender} {
		t.Run(fmt.Sprint(overflow), func(t *testing.T) {
			l := newLab(t)
			p := l.start(t, &syscall.SysProcAttr{}, l.dir+"/child")
			if said := p.line(); said != "joined\n" {
				t.Fatal(said)
			}
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 20, overflow }); err != nil {
				t.Fatal(err)
			}
			if err := p.Process.Signal(unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			a := l.join(t, 0, "")
			var b *client
			if overflow != bus.BlockSender { // who is waited for with him would wait, too
				b = l.join(t, 0, "")
			}
			child := l.Net.Port(1)
			bring := func() bool { _, err := unix.Write(a.fd, make([]byte, 1400)); return err == nil }
			if b != nil {
				for range 4000 {
					bustest.WaitFor(t, "the door to read", bring)
					b.receive(t)
				}
			} else {
				bustest.WaitFor(t, "the sender to be stalled", func() bool { return !bring() && child.Stats().Queued == 20 })
			}
			dropped := lanetest.Count(child, "drop_full") + lanetest.Count(child, "drop_displaced")
			if dropped > 0 != (b != nil) {
				t.Errorf("%d frames were dropped", dropped)
			}
			// The rest of the daemon goes on.
			c, d := l.join(t, 0, ""), l.join(t, 0, "")
			c.close()
			d.close()
			if err := p.Process.Signal(unix.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if said := p.line(); said != "1400 <nil>\n" {
				t.Errorf("%q", said)
			}
			p.end()
			bustest.WaitFor(t, "the child to leave", func() bool { return l.Net.Port(1) == nil })
			// Nobody waits any more.
			bustest.WaitFor(t, "the door to read", func() bool { _, err := unix.Write(a.fd, []byte("on")); return err == nil })
		})
	}
}

// A client that does not connect its socket, as UML, has the kernel's short queue
// (net.unix.max_dgram_qlen), and gets all if he reads.
func TestUnconnectedClient(t *testing.T) {
	l := newLab(t)
	a, b := l.join(t, 0, ""), l.join(t, 0, unconnected)
	hello := []byte("hello")
	if _, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(b.fd), uintptr(unsafe.Pointer(&hello[0])), uintptr(len(hello)), 0,
		uintptr(unsafe.Pointer(&b.answer)), vdeplug.AddressLen); errno != 0 {
		t.Fatal(errno)
	}
	if got := a.receive(t); string(got) != "hello" {
		t.Errorf("%q came", got)
	}
	const frames = 100
	for range frames {
		bustest.WaitFor(t, "the door to read", func() bool { _, err := unix.Write(a.fd, []byte("frame")); return err == nil })
	}
	lanetest.AwaitFrames(l.Net.Port(1), frames)
	for range frames {
		b.receive(t)
	}
}
