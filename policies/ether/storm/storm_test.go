package storm

import "testing"

func TestTake(t *testing.T) {
	var l Limiter
	l.Refill(&Rates{Broadcast: 10, Unknown: 1})
	for i, c := range []struct {
		kind    Kind
		n, want int64
	}{{Broadcast, 4, 4}, {Broadcast, 7, 6}, {Broadcast, 6, 6}, {Broadcast, 1, 0}, {Multicast, 1, 0}, {Unknown, 1, 1}} {
		if got := l.Take(c.kind, c.n); got != c.want {
			t.Errorf("%d: took %d, want %d", i, got, c.want)
		}
	}
	l.Refill(&Rates{Broadcast: 3}) // what was left is not kept
	if got := l.Take(Broadcast, 5); got != 3 {
		t.Errorf("%d are left in the next second, want 3", got)
	}
}
