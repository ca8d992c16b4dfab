package nats

import (
	"math/rand/v2"
	"testing"

	"ipnfs/bus/frame"
)

func newGuard() (*guard, *frame.Memory) {
	return &guard{own: 1, streams: map[streamKey]*track{}}, frame.NewMemory(1 << 30)
}

func TestGuard(t *testing.T) {
	type arrival struct {
		sequence uint64
		frames   int
		flags    uint8
		want     verdict
		lost     int64 // in all, then
	}
	for what, list := range map[string][]arrival{
		"in order":              {{5, 2, 0, fresh, 0}, {7, 1, 0, fresh, 0}, {8, 3, 0, fresh, 0}},
		"twice":                 {{5, 2, 0, fresh, 0}, {5, 2, 0, again, 0}, {7, 1, 0, fresh, 0}, {5, 2, 0, again, 0}},
		"a gap":                 {{5, 2, 0, fresh, 0}, {9, 1, 0, fresh, 2}},
		"late":                  {{5, 2, 0, fresh, 0}, {9, 1, 0, fresh, 2}, {7, 2, 0, fresh, 0}, {7, 2, 0, again, 0}, {10, 1, 0, fresh, 0}},
		"late, in parts":        {{0, 1, 0, fresh, 0}, {9, 1, 0, fresh, 8}, {3, 2, 0, fresh, 6}, {3, 2, 0, again, 6}, {1, 2, 0, fresh, 4}, {7, 2, 0, fresh, 2}, {5, 2, 0, fresh, 0}, {5, 1, 0, again, 0}},
		"late, and too much":    {{0, 1, 0, fresh, 0}, {9, 1, 0, fresh, 8}, {7, 3, 0, again, 8}},
		"a place, no frames":    {{5, 0, 0, fresh, 0}, {5, 2, 0, fresh, 0}, {9, 0, 0, fresh, 2}, {9, 1, 0, fresh, 2}},
		"a place of before":     {{5, 2, 0, fresh, 0}, {5, 0, 0, again, 0}, {7, 1, 0, fresh, 0}},
		"a new stream":          {{5, 2, 0, fresh, 0}, {90, 1, firstOfStream, fresh, 0}, {90, 1, firstOfStream, again, 0}, {91, 1, 0, fresh, 0}},
		"a jump that cannot be": {{5, 2, 0, fresh, 0}, {7 + maxGap + 1, 1, 0, lies, 0}, {7, 1, 0, fresh, 0}},
	} {
		t.Run(what, func(t *testing.T) {
			g, m := newGuard()
			for i, a := range list {
				v := g.admit(m, header{flags: a.flags, frames: a.frames, sender: 2, sequence: a.sequence}, false)
				if lost, _ := g.counts(); v != a.want || lost != a.lost {
					t.Errorf("arrival %d: %v with %d lost, want %v with %d", i, v, lost, a.want, a.lost)
				}
			}
		})
	}
}

// What goes to all and what goes to one are streams apart, and one's own is dropped.
func TestStreams(t *testing.T) {
	g, m := newGuard()
	for _, direct := range []bool{false, true} {
		for _, sender := range []uint64{2, 3} {
			if v := g.admit(m, header{frames: 1, sender: sender, sequence: 4}, direct); v != fresh {
				t.Errorf("%d %v: %v", sender, direct, v)
			}
		}
	}
	if v := g.admit(m, header{frames: 1, sender: 1}, false); v != again {
		t.Errorf("its own: %v", v)
	}
	if lost, twice := g.counts(); lost != 0 || twice != 1 {
		t.Errorf("lost %d, twice %d", lost, twice)
	}
	if m.Used() != 4*streamCost {
		t.Errorf("%d bytes are charged", m.Used())
	}
	g.forget(m, 1)
	if v := g.admit(m, header{frames: 1, sender: 2, sequence: 5}, false); v != fresh {
		t.Error("the second is not taken")
	}
	g.forget(m, 1)
	if len(g.streams) != 1 || m.Used() != streamCost {
		t.Errorf("%d streams are known, for %d bytes", len(g.streams), m.Used())
	}
	g.clear(m)
	if m.Used() != 0 {
		t.Error("bytes stay charged")
	}
}

// Who is one too many, or has no memory, is not guarded, and costs nothing.
func TestCrowd(t *testing.T) {
	g, m := newGuard()
	for i := range maxStreams + 100 {
		for range 2 {
			if v := g.admit(m, header{frames: 1, sender: uint64(10 + i)}, false); i >= maxStreams && v != fresh {
				t.Fatal("a stranger is dropped")
			}
		}
	}
	if len(g.streams) != maxStreams || m.Used() != maxStreams*streamCost {
		t.Errorf("%d streams are known, for %d bytes", len(g.streams), m.Used())
	}
	g, m = newGuard()
	m.Charge(1 << 30)
	if v := g.admit(m, header{frames: 1, sender: 2}, false); v != fresh || len(g.streams) != 0 {
		t.Errorf("without memory: %v, %d are known", v, len(g.streams))
	}
}

// Whatever is lost, late or doubled: each message is taken once, unless it is late for
// more gaps than are remembered, and what is lost is counted.
func TestGuardRandom(t *testing.T) {
	for range 200 {
		g, m := newGuard()
		var messages []header
		at := uint64(rand.IntN(1000))
		for range 300 {
			n := 1 + rand.IntN(5)
			messages = append(messages, header{frames: n, sender: 2, sequence: at})
			at += uint64(n)
		}
		g.admit(m, messages[0], false)
		taken, came := map[uint64]int{}, int64(messages[0].frames)
		offer := func(h header) {
			if g.admit(m, h, false) == fresh {
				taken[h.sequence]++
				came += int64(h.frames)
			}
		}
		for i := 1; i < len(messages)-1; i++ {
			switch rand.IntN(10) {
			case 0: // lost
			case 1: // late
				offer(messages[i+1])
				offer(messages[i])
			default:
				offer(messages[i])
			}
			if rand.IntN(4) == 0 {
				offer(messages[rand.IntN(i+1)])
			}
		}
		offer(messages[len(messages)-1])
		for sequence, n := range taken {
			if n > 1 {
				t.Fatalf("the message at %d was taken %d times", sequence, n)
			}
		}
		if lost, _ := g.counts(); lost+came != int64(at-messages[0].sequence) {
			t.Fatalf("%d frames came and %d are lost, of %d", came, lost, at-messages[0].sequence)
		}
	}
}
