package l2switch

import (
	"fmt"
	"strings"
	"sync/atomic"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/words"
)

// Kinds of frames that a port's storm control tells apart.
const (
	stormBroadcast = iota
	stormMulticast
	stormUnknown // unicast whose destination is not known
	stormKinds
)

var stormNames = [stormKinds]string{"broadcast", "multicast", "unknown"}

// maxRate is the highest rate in frames a second.
const maxRate = 100_000_000

// bucket is what is left of a second's frames.
type bucket struct{ left atomic.Int64 }

// take takes n frames, if there are as many left; else it takes none and
// returns how many there are.
func (b *bucket) take(n int64) int64 {
	for {
		left := b.left.Load()
		if left < n {
			return left
		}
		if b.left.CompareAndSwap(left, left-n) {
			return n
		}
	}
}

// refill begins a second.
func (b *bucket) refill(rate int) {
	if rate != 0 {
		b.left.Store(int64(rate))
	}
}

// withinRate tells whether the frame, with all that it stands for, is within
// the rate of its port for frames of that kind. If not, it is dropped, or cut so
// that as many of its frames as are left pass.
func (e *egress) withinRate(kind int) bool {
	if !e.mode.storms || e.from.config.Load().rates[kind] == 0 {
		return true
	}
	n := int64(e.frame.WireFrames())
	switch left := e.from.storm[kind].take(n); {
	case left == n:
		return true
	case left > 0:
		e.out.Split()
	default:
		e.out.Drop(frame.DropStorm)
	}
	return false
}

// ratesString gives rates as parseRates takes them.
func ratesString(rates [stormKinds]int) string {
	var parts []string
	for i, name := range stormNames {
		value := "off"
		if rates[i] != 0 {
			value = fmt.Sprint(rates[i])
		}
		parts = append(parts, name+"="+value)
	}
	return strings.Join(parts, " ")
}

// parseRates reads KIND=FRAMES or KIND=off, several of them, or off for all,
// as changes to rates.
func parseRates(text string, rates [stormKinds]int) ([stormKinds]int, error) {
	if text == "off" {
		return [stormKinds]int{}, nil
	}
	list := words.Split(text)
	if len(list) == 0 {
		return rates, fail.Errorf(fail.Invalid, "no rate: broadcast=, multicast= or unknown= frames a second, or off")
	}
	var kinds words.Options
	for i, name := range stormNames {
		kinds = append(kinds, words.One(name, &rates[i], func(what, text string) (int, error) {
			return words.IntOr(what, text, "off", 1, maxRate)
		}))
	}
	err := kinds.Read(list, nil)
	return rates, err
}
