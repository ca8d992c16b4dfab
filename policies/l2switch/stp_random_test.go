package l2switch

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Cables that come and go between switches at random, also from a switch to
// itself and several between two: what is joined reaches one another soon, and
// at no moment does a broadcast come twice.
func TestRandomTopology(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := 2 + r.IntN(4)
		f := newFabric(t, n, "stp=rstp")
		var cables []*cable
		var between [][2]int
		for range 12 {
			if len(cables) > 0 && r.IntN(3) == 0 {
				i := r.IntN(len(cables))
				f.pull(cables[i])
				cables, between = slices.Delete(cables, i, i+1), slices.Delete(between, i, i+1)
			} else {
				a, b := 1+r.IntN(n), 1+r.IntN(n)
				cables, between = append(cables, f.plug(a, b)), append(between, [2]int{a, b})
			}
			f.probe()
			for range r.IntN(4) {
				f.tick()
			}
		}
		for range 50 { // longer than max age and twice the forward delay
			f.tick()
		}
		if got, want := f.probe(), pairs(n, between); got != want {
			t.Fatalf("seed %d: %d copies came to all stations, want %d; cables %v\n%s", seed, got, want, between, f)
		}
	}
}

// pairs counts the ordered pairs of switches between which there is a way.
func pairs(n int, cables [][2]int) (count int) {
	group := make([]int, n+1)
	for i := range group {
		group[i] = i
	}
	for range n {
		for _, c := range cables {
			low := min(group[c[0]], group[c[1]])
			group[c[0]], group[c[1]] = low, low
		}
	}
	for a := 1; a <= n; a++ {
		for b := 1; b <= n; b++ {
			if a != b && group[a] == group[b] {
				count++
			}
		}
	}
	return count
}
