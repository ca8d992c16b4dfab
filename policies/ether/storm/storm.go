// Package storm holds the frames that a switch floods to so many a second, by
// port and kind (storm control).
//
// Any switch may use it: a Limiter for each port, whose Take is called for each
// frame, from any thread, without a lock and without a clock, and whose Refill
// begins a second. Rates are a plain value of the port's settings.
package storm

import "sync/atomic"

// Kind is what frames are told apart by.
type Kind int

// The kinds.
const (
	Broadcast Kind = iota
	Multicast
	Unknown // unicast whose destination is not known
	Kinds
)

// Names are how people write the kinds.
var Names = [Kinds]string{"broadcast", "multicast", "unknown"}

// MaxRate is the highest rate in frames a second.
const MaxRate = 100_000_000

// Rates are frames a second by kind; 0: any.
type Rates [Kinds]int

// Limiter is what is left of a second's frames. The zero Limiter has none left.
type Limiter [Kinds]atomic.Int64

// Take takes n frames, if there are as many left; else it takes none and
// returns how many there are.
func (l *Limiter) Take(k Kind, n int64) int64 {
	for {
		left := l[k].Load()
		if left < n {
			return left
		}
		if l[k].CompareAndSwap(left, left-n) {
			return n
		}
	}
}

// Refill begins a second.
func (l *Limiter) Refill(rates *Rates) {
	for k, rate := range rates {
		if rate != 0 {
			l[k].Store(int64(rate))
		}
	}
}
