package udp

import (
	"bytes"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// What is sent as runs comes as runs, with who sent it, and how it is marked.
func TestRuns(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		h, to, _ := hear(t, Config{Local: local})
		fd, from := open(t, Config{Local: local})
		d := slices.Concat(sized(to, 1000, 1000, 1000, 400), sized(to, 0), sized(to, 77))
		for i := range d[:4] {
			d[i].TOS = 0x2a
		}
		s := sender(local)
		s.Head = []byte("head")
		if n, err := s.Send(fd, d); n != len(d) || err != nil {
			t.Fatal(n, err)
		}
		for i, want := range [][]Datagram{d[:4], d[4:5], d[5:]} {
			r := <-h.runs
			if r.From != from || r.TOS != want[0].TOS || r.Cut || r.Size != 4+len(want[0].Data) {
				t.Errorf("run %d is of %d bytes from %v, marked %#x; want %d, %v, %#x", i, r.Size, r.From, r.TOS, 4+len(want[0].Data), from, want[0].TOS)
			}
			for k := range want {
				if got := r.Next(); !bytes.Equal(got, append([]byte("head"), want[k].Data...)) {
					t.Errorf("run %d, datagram %d: %d bytes, want %d", i, k, len(got), 4+len(want[k].Data))
				}
			}
			if len(r.Data) > 0 {
				t.Errorf("run %d has %d bytes more", i, len(r.Data))
			}
		}
	})
}

// An empty datagram is a run of one.
func TestEmptyDatagram(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		h, to, _ := hear(t, Config{Local: local})
		fd, _ := open(t, Config{Local: local})
		if n, err := sender(local).Send(fd, sized(to, 0, 0, 5)); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		for _, want := range []int{0, 0, 5} {
			if r := <-h.runs; len(r.Data) != want || len(r.Next()) != want {
				t.Errorf("%d bytes, want %d", len(r.Data), want)
			}
		}
	})
}

// A peer that is not there is reported, and does no harm to what goes to others.
func TestUnreachable(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		h, at, _ := hear(t, Config{Local: local})
		closed, err := Open(Config{Local: local})
		if err != nil {
			t.Fatal(err)
		}
		gone := localOf(t, closed)
		unix.Close(closed)
		to, there := open(t, Config{Local: local})
		s := sender(local)
		if n, err := s.Send(h.fd, slices.Concat(sized(gone, 10), sized(there, 20, 20))); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		if r := <-h.reports; r.Errno != unix.ECONNREFUSED || r.To != gone || r.MTU != 0 {
			t.Errorf("the report is %v of %v (mtu %d)", r.Errno, r.To, r.MTU)
		}
		plain(t, to)
		d := sized(there, 30)
		if n, err := s.Send(h.fd, d); n != 1 || err != nil || d[0].Lost != 0 {
			t.Error(n, err, d[0].Lost)
		}
		if n, err := s.Send(to, sized(at, 1)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if r := <-h.runs; len(r.Data) != 1 {
			t.Error("it hears nothing any more")
		}
	})
}

func TestReceivingAllocatesNothing(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		fd, _ := open(t, Config{Local: local})
		h, to, p := hear(t, Config{Local: local})
		h.frames = true
		d := sized(to, 1000, 1000, 1000, 1000, 900, 100, 100, 300)
		s := sender(local)
		lanetest.NoAllocations(t, "runs", func(frames int) {
			at := p.Stats().Frames
			for sent := 0; sent < frames; sent += len(d) {
				if n, err := s.Send(fd, d); n != len(d) || err != nil {
					t.Fatal(n, err)
				}
				lanetest.AwaitFrames(p, at+uint64(sent+len(d)))
				runtime.Gosched()
			}
		})
	})
}
