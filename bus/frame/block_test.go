package frame

import (
	"sync"
	"testing"
)

func TestCharge(t *testing.T) {
	m := NewMemory(100)
	if !m.Charge(60) || m.Charge(41) || !m.Charge(40) || m.Charge(1) {
		t.Error("100 bytes are charged as 60 and 40, and nothing above")
	}
	if m.Used() != 100 || m.Limit() != 100 {
		t.Errorf("used %d of %d", m.Used(), m.Limit())
	}
	m.Refund(100)
	if m.Used() != 0 {
		t.Errorf("used %d after all was refunded", m.Used())
	}
}

// A part may grow to what is left free of the whole: each next one finds
// something.
func TestPartOfMemory(t *testing.T) {
	whole := NewMemory(1000)
	last := int64(1000)
	var parts []*Memory
	for i := range 5 {
		p := whole.Part()
		parts = append(parts, p)
		for p.Charge(1) {
		}
		if p.Used() == 0 || p.Used() > last {
			t.Errorf("part %d got %d bytes, the one before %d", i, p.Used(), last)
		}
		last = p.Used()
	}
	if got := parts[0].Used(); got != 500 {
		t.Errorf("one alone got %d of 1000, want half", got)
	}
	sum := int64(0)
	for _, p := range parts {
		sum += p.Used()
		p.Refund(int(p.Used()))
	}
	if sum > 1000 || whole.Used() != 0 {
		t.Errorf("parts held %d of 1000, and when all was refunded %d are left", sum, whole.Used())
	}
}

func TestChargeIsAtomic(t *testing.T) {
	whole := NewMemory(1000)
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := whole.Part()
			for range 1000 {
				if p.Charge(100) {
					p.Refund(100)
				}
			}
		}()
	}
	wg.Wait()
	if whole.Used() != 0 {
		t.Errorf("%d bytes are left", whole.Used())
	}
}

func TestBlocks(t *testing.T) {
	m := NewMemory(1 << 30)
	for _, n := range []int{0, 1, 256 - Headroom, 257 - Headroom, 2048, 9000, 65535, 65536, MaxFrame, 1 << 20} {
		b := m.Block(n)
		if b == nil {
			t.Fatalf("no block for %d bytes", n)
		}
		data := b.Bytes(n)
		if len(data) != n || len(b.buf) < n+Headroom {
			t.Errorf("a block for %d bytes has %d of %d", n, len(data), len(b.buf))
		}
		if got := m.Used(); got != int64(len(b.buf)) {
			t.Errorf("a block of %d bytes charges %d", len(b.buf), got)
		}
		b.retain()
		b.Release()
		if m.Used() == 0 {
			t.Errorf("a block of %d bytes was given back while in use", n)
		}
		b.Release()
		if m.Used() != 0 {
			t.Errorf("a block for %d bytes leaves %d charged", n, m.Used())
		}
	}
	if b := m.Block(MaxFrame + 8192); b != nil {
		t.Error("there is a block for more than fits any")
	}
	if m.Used() != 0 {
		t.Errorf("a refused block charges %d", m.Used())
	}
	if NewMemory(100).Block(1) != nil {
		t.Error("a block passes the cap")
	}
}

func TestReleasedTooOften(t *testing.T) {
	b := NewMemory(1000).Block(1)
	b.Release()
	defer func() {
		if recover() == nil {
			t.Error("a second release does not panic")
		}
	}()
	b.Release()
}

func TestLentFrameStays(t *testing.T) {
	f := NewFrame([]byte("abc"))
	f.Release()
	if string(f.Data()) != "abc" || f.Len() != 3 {
		t.Errorf("a lent frame is %q after Release", f.Data())
	}
	if _, ok := f.Prefixed(); ok {
		t.Error("a frame of its data alone has a length in front")
	}
}
