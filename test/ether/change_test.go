package ether

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ipnfs/test/harness"
)

// load lets two hosts exchange datagrams, as many as they can, until stop is
// called, which returns how many came.
func load(t *testing.T, p pair) (stop func() int64) {
	t.Helper()
	server := p.b.listenUDP("udp4", "10.0.0.2")
	c, err := p.a.dial("udp4", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	var done atomic.Bool
	var came atomic.Int64
	work.Go(func() {
		data := randomBytes(1400, 1)
		for !done.Load() {
			_, _ = c.Write(data) // a full queue is no fault
		}
	})
	work.Go(func() {
		for buf := make([]byte, 2000); ; {
			if _, _, err := server.ReadFrom(buf); err != nil {
				return
			}
			came.Add(1)
		}
	})
	var once sync.Once
	stop = func() int64 {
		once.Do(func() {
			done.Store(true)
			server.Close()
			work.Wait()
			c.Close()
		})
		return came.Load()
	}
	t.Cleanup(func() { stop() })
	harness.Eventually(t, "the load to flow", func() bool { return came.Load() > 100 })
	return stop
}

// awaitLine waits until the list of tap, veth or grab shows a line that has all the
// words; no words: until there is no line of that name.
func (l *lab) awaitLine(file, name string, words ...string) {
	l.t.Helper()
	harness.Eventually(l.t, fmt.Sprintf("%s to show %s %q", file, name, words), func() bool {
		for _, line := range strings.Split(harness.Get(l.t, l.Path(lan, file)), "\n") {
			if !strings.HasPrefix(line, name+" ") {
				continue
			}
			for _, word := range words {
				if !strings.Contains(line+" ", " "+word+" ") {
					return false
				}
			}
			return len(words) > 0
		}
		return len(words) == 0
	})
}

// An interface that is set down, renamed, moved or deleted while others are
// busy shows that, and disturbs nobody.
func TestChangesUnderLoad(t *testing.T) { overWires(t, testChangesUnderLoad) }

func testChangesUnderLoad(t *testing.T, l *lab) {
	a, b, c, d := newHost(t), newHost(t), newHost(t), newHost(t)
	a.join(l, "eth0")
	b.join(l, "eth0")
	c.join(l, "c0")
	wire := newHost(t)
	wire.IP("link add v0 type veth peer name v1")
	wire.IP("link set v1 up")
	wire.IP("link set v0 up")
	wire.attach(l, lan, "grab", "v0")
	a.address(1, 1500)
	b.address(2, 1500)
	stop := load(t, pair{a, b})

	c.IP("link set c0 down")
	l.awaitLine(l.by, "c0", "state=down")
	c.IP("link set c0 up")
	l.awaitLine(l.by, "c0", "state=up")
	c.IP("link set c0 mtu 1000")
	l.awaitLine(l.by, "c0", "mtu=1000")
	c.IP("link set c0 down")
	c.IP("link set c0 name renamed")
	c.IP("link set renamed up")
	l.awaitLine(l.by, "renamed", "state=up")
	l.awaitLine(l.by, "c0")
	c.IP("link set renamed netns " + d.Name)
	d.IP("link set renamed up")
	l.awaitLine(l.by, "renamed", "netns="+d.Name)
	d.IP("link del renamed")
	l.awaitLine(l.by, "renamed")

	wire.IP("link set v1 down")
	l.awaitLine("grab", "v0", "state=no-carrier")
	wire.IP("link set v1 up")
	l.awaitLine("grab", "v0", "state=up")
	wire.IP("link set v0 down")
	wire.IP("link set v0 name renamed")
	wire.IP("link set renamed up")
	l.awaitLine("grab", "renamed", "state=up")
	wire.IP("link del renamed")
	l.awaitLine("grab", "renamed")

	harness.Eventually(t, "the ports of what was deleted to end", func() bool {
		return strings.Count(harness.Get(t, l.Path(lan, l.by)), "\n") == 1
	})
	// Beside the load a queue of a kernel may be full: one that is lost says nothing.
	harness.Eventually(t, "a ping between the others to be answered", func() bool {
		return ping("10.0.0.2", "1000", "-W", "2")(pair{a, b}, 1500) == "answered"
	})
	before := stop()
	if before == 0 {
		t.Error("no load")
	}
	l.CheckBalance(t, lan)
}

// What is in use can be deleted: those who talk to it do not suffer.
func TestDeletedInUse(t *testing.T) { overWires(t, testDeletedInUse) }

func testDeletedInUse(t *testing.T, l *lab) {
	var descriptors []string // after the first round, with what is opened once and for all
	for round := range 10 {
		a, b := newHost(t), newHost(t)
		a.join(l, "eth0")
		b.join(l, "eth0")
		a.address(1, 1500)
		b.address(2, 1500)
		stop := load(t, pair{a, b})
		deleted, other := a, b
		if round%2 == 1 {
			deleted, other = b, a
		}
		deleted.IP("link del eth0")
		stop()
		other.attach(l, lan, l.by, "-eth0")
		l.awaitLine(l.by, "eth0")
		if round == 0 {
			descriptors = l.Descriptors(t)
		}
	}
	harness.Eventually(t, "the daemon's descriptors to be closed", func() bool {
		return len(l.Descriptors(t)) <= len(descriptors)
	})
	l.CheckBalance(t, lan)
}
