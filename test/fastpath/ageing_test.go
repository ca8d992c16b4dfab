package fastpath

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ipnfs/test/harness"
)

// age tells how many seconds ago the switch heard of an address, -1: it does not know it.
func (l *lan) age(n int) (seconds int) {
	l.t.Helper()
	for _, line := range strings.Split(harness.Get(l.t, l.path("switch", "fdb")), "\n") {
		if strings.HasPrefix(line, macText(n)+" ") {
			_, _ = fmt.Sscanf(harness.Field(line, "age"), "%d", &seconds)
			return seconds
		}
	}
	return -1
}

// Stations whose frames the kernel alone has seen do not age, in the table's text and in the
// switch; one that is silent does.
func TestAgeing(t *testing.T) {
	t.Parallel()
	const ageing = 2 * time.Second
	l := newLAN(t, mount(t), "ageing", 3, fmt.Sprintf("switch/ageing=%d", int(ageing.Seconds())))
	a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
	l.speak(a, b, c)
	l.awaitAlone(a, b)
	ab := a.start(traffic{frames: [][]byte{frame(there, b.mac, a.mac)}, rate: 2000})
	ba := b.start(traffic{frames: [][]byte{frame(back, a.mac, b.mac)}, rate: 2000})
	harness.Eventually(t, "the silent one to be forgotten", func() bool { return l.age(3) < 0 })
	for end := time.Now().Add(3 * ageing); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for n := 1; n <= 2; n++ {
			if age := l.age(n); age < 0 || age > 1 {
				t.Fatalf("the station at port %d is in use, and its age is %d\n%s", n, age, harness.Get(t, l.path("switch", "fdb")))
			}
		}
	}
	if n := c.count(there) + c.count(back); n > 0 {
		t.Errorf("%d frames came to a third", n)
	}
	if !l.alone(a, b) || !l.alone(b, a) {
		t.Error("the kernel does not forward any more")
	}

	// It is forgotten when it is silent, though frames go to it.
	ba.end()
	harness.Eventually(t, "the one that is silent now to be forgotten", func() bool { return l.age(2) < 0 })
	first := ab.next.Load()
	harness.Eventually(t, "frames to go to all", func() bool { return c.between(there, first, first+1000) > 0 })
	ab.end()
	l.settle()
	if n, all := c.between(there, first, first+1000), b.between(there, first, first+1000); n != all {
		t.Errorf("%d frames came to one, and %d to another", all, n)
	}
	for _, h := range l.hosts {
		h.checkOrder(there)
		h.checkOrder(back)
	}
}

// Damping counts what the kernel has carried: who talks there stays where he is, and may
// move when he has been silent for that long.
func TestDamping(t *testing.T) {
	t.Parallel()
	const damping = 2 * time.Second
	l := newLAN(t, mount(t), "damping", 3, fmt.Sprintf("switch/damping=%d", int(damping.Seconds())))
	a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
	l.speak(a, b, c)
	l.awaitAlone(a, b)
	ba := b.start(traffic{frames: [][]byte{frame(back, a.mac, b.mac)}, rate: 2000})
	for end := time.Now().Add(2 * damping); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		c.say(b.mac)
		if at := l.at(b.mac); at != b.port {
			t.Fatalf("a station that talks has moved to port %d", at)
		}
	}
	ba.end()
	harness.Eventually(t, "it to move when it is silent", func() bool {
		c.say(b.mac)
		return l.at(b.mac) == c.port
	})
	l.settle()
}
