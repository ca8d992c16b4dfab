package plane

import (
	"bytes"
	"testing"
	"time"

	"ipnfs/iface/nstest"
)

const long = time.Minute

// What is known goes from host to host, all else to the process, and what the process
// sends to its host.
func TestForward(t *testing.T) {
	a, b := newHost(t), newHost(t)
	net := a.plane.NewNetwork()
	defer a.plane.FreeNetwork(net)
	known := a.frame(b.mac, 8, 0, 1, 2, 3)
	expectPunt := func(frame []byte) {
		t.Helper()
		a.send(frame)
		var got []byte
		nstest.Wait(t, "a frame that is punted", func() bool {
			got = a.punted()
			return got != nil
		})
		if !bytes.Equal(got, frame) {
			t.Fatalf("punted % x, want % x", got, frame)
		}
		a.port.Carried(1)
	}
	expect := func() {
		t.Helper()
		a.send(known)
		if got := b.receive(long); !bytes.Equal(got, known) {
			t.Fatalf("received % x, want % x", got, known)
		}
	}

	expectPunt(known)
	a.know(0, Settings{Network: net}, false)
	expectPunt(known)
	b.know(0, Settings{Network: net}, false)
	expect()
	if used := a.plane.Used(a.key(net, 0)); used == 0 {
		t.Error("the source was not noted")
	}
	if used := a.plane.Used(b.key(net, 0)); used != 0 {
		t.Errorf("the destination was noted at %d", used)
	}
	expectPunt(a.frame([6]byte{255, 255, 255, 255, 255, 255}, 8, 6))
	a.port.Revoke()
	expectPunt(known)
	a.know(0, Settings{Network: net}, false)
	expect()
	b.port.Revoke()
	expectPunt(known)
	b.port.Set(b.port.Mark(), Settings{Network: net})
	expectPunt(known) // its address is of another mark
	b.know(0, Settings{Network: net}, false)
	expect()
	a.plane.Delete([]Key{a.key(net+1, 0), b.key(net, 0), {}})
	expectPunt(known)
	a.wantCounts(Counts{In: 3, InBytes: 180})
	b.wantCounts(Counts{Out: 3, OutBytes: 180})

	b.write(known)
	if got := b.receive(long); !bytes.Equal(got, known) {
		t.Fatalf("of the process came % x, want % x", got, known)
	}
	b.wantCounts(Counts{Out: 3, OutBytes: 180})
}

// A port that nobody sets up is not in force when its marks have come round.
func TestMarksComeRound(t *testing.T) {
	p := &Port{cell: &portCell{}}
	p.cell.valid.Store(7)
	p.cell.mark.Store(5)
	for range 3 {
		if p.Revoke(); p.Mark() == p.cell.valid.Load() {
			t.Errorf("in force with mark %d", p.Mark())
		}
	}
	if p.Mark() != 9 {
		t.Errorf("the mark is %d", p.Mark())
	}
}
