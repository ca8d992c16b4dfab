package l2switch

import (
	"fmt"
	"testing"

	"ipnfs/bus/frame"
)

// Each kind has its own rate, each port its own, and every second begins with
// the whole rate.
func TestStormControl(t *testing.T) {
	kinds := map[string]mac{"broadcast": toAll, "multicast": toGroup, "unknown": nobody}
	for kind, to := range kinds {
		t.Run(kind, func(t *testing.T) {
			l := newLab(t, Name, 3)
			l.at(3).say(toAll, "here I am")
			l.heard()
			l.set("1/storm=" + kind + "=3")
			many := func(from *station, to mac) (came int) {
				for range 5 {
					from.say(to, "x")
				}
				came = len(l.at(3).heard())
				l.heard()
				return came
			}
			for second := 1; second <= 3; second++ {
				if got := many(l.at(1), to); got != 3 {
					t.Errorf("second %d: %d of 5 frames came, want 3", second, got)
				}
				for other, to := range kinds {
					if got := many(l.at(1), to); other != kind && got != 5 {
						t.Errorf("second %d: %d of 5 frames of kind %s came", second, got, other)
					}
				}
				if got := many(l.at(1), macOf(3)); got != 5 {
					t.Errorf("second %d: %d of 5 frames to a known destination came", second, got)
				}
				if got := many(l.at(2), to); got != 5 {
					t.Errorf("second %d: %d of 5 frames came from a port without a rate", second, got)
				}
				if got, want := l.at(1).dropped(frame.DropStorm), 7*second; got != want {
					t.Errorf("second %d: %d frames were counted as a storm, want %d", second, got, want)
				}
				l.tick(1)
			}
			l.set("1/storm=" + kind + "=off")
			for range 100 {
				l.at(1).say(to, kind)
			}
			if got := len(l.at(2).heard()); got != 100 {
				t.Errorf("%d of 100 frames came without a rate", got)
			}
		})
	}
}

// What the rate leaves over does not add up from second to second.
func TestStormRatesDoNotAddUp(t *testing.T) {
	l := newLab(t, Name, 2)
	l.set("1/storm=broadcast=3")
	l.tick(10)
	for range 10 {
		l.at(1).say(toAll, "x")
	}
	if got := len(l.at(2).heard()); got != 3 {
		t.Errorf("%d frames came after 10 quiet seconds, want 3", got)
	}
}

// A storm is held back, and yet its sender is learned and can be spoken to.
func TestStormLearns(t *testing.T) {
	l := newLab(t, Name, 3)
	l.set("1/storm=broadcast=1")
	l.at(1).say(toAll, "x")
	l.at(1).send(makeFrame(toAll, macOf(9), "held back"))
	l.heard()
	l.at(2).say(macOf(9), "hello")
	l.wantHeard("to a sender that was held back", "hello", 1)
}

// Rates hold whatever else the switch looks at, and for all who send at once.
func TestStormWithVLANs(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 3)
	l.set("1/vlans=10,20", "2/vlans=10", "3/vlans=20", "1/storm=broadcast=4")
	for i := range 10 {
		l.at(1).say(toAll, fmt.Sprint(i), ctag(10+10*(i%2)))
	}
	if got := len(l.at(2).heard()) + len(l.at(3).heard()); got != 4 {
		t.Errorf("%d frames came in two VLANs, want 4", got)
	}
	l.at(1).say(toAll, "none of its VLANs", ctag(30))
	if got := l.at(1).dropped(frame.DropVLAN); got != 1 {
		t.Errorf("%d frames were counted as vlan, want 1", got)
	}
}
