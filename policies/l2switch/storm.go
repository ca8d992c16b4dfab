package l2switch

import (
	"fmt"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/policies/ether/storm"
	"ipnfs/words"
)

// withinRate tells whether the frame, with all that it stands for, is within
// the rate of its port for frames of that kind. If not, it is dropped, or cut so
// that as many of its frames as are left pass.
func (e *egress) withinRate(kind storm.Kind) bool {
	if !e.mode.storms || e.from.config.Load().rates[kind] == 0 {
		return true
	}
	n := int64(e.frame.WireFrames())
	switch left := e.from.storm.Take(kind, n); {
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
func ratesString(rates storm.Rates) string {
	var parts []string
	for i, name := range storm.Names {
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
func parseRates(text string, rates storm.Rates) (storm.Rates, error) {
	if text == "off" {
		return storm.Rates{}, nil
	}
	list := words.Split(text)
	if len(list) == 0 {
		return rates, fail.Errorf(fail.Invalid, "no rate: broadcast=, multicast= or unknown= frames a second, or off")
	}
	var kinds words.Options
	for i, name := range storm.Names {
		kinds = append(kinds, words.One(name, &rates[i], func(what, text string) (int, error) {
			return words.IntOr(what, text, "off", 1, storm.MaxRate)
		}))
	}
	err := kinds.Read(list, nil)
	return rates, err
}
