package l2switch

import (
	"fmt"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/policies/ether/storm"
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
	words := strings.Fields(text)
	if len(words) == 0 {
		return rates, fail.Errorf(fail.Invalid, "no rate: broadcast=, multicast= or unknown= frames a second, or off")
	}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		i := indexOf(storm.Names[:], name)
		if i < 0 {
			return rates, fail.Errorf(fail.Invalid, "unknown rate %q: one of %s, with =FRAMES a second or =off", name, strings.Join(storm.Names[:], ", "))
		}
		rate := 0
		if value != "off" {
			var err error
			if rate, err = parseInt("rate", value, 1, storm.MaxRate); err != nil {
				return rates, err
			}
		}
		rates[i] = rate
	}
	return rates, nil
}

func indexOf(list []string, s string) int {
	for i, other := range list {
		if s == other {
			return i
		}
	}
	return -1
}
