package cable

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/iface/nstest"
	"ipnfs/test/harness"
)

// each runs a test for each kind of cables between n machines that are joined.
func each(t *testing.T, n int, policy string, test func(t *testing.T, k kind, l *line, machines []*machine)) {
	harness.NeedRoot(t)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			l := newLine(t, n)
			var machines []*machine
			for i, e := range l.ends {
				machines = append(machines, boot(t, e, i+1, policy))
			}
			k.lay(t, machines)
			for _, a := range machines {
				s := a.sender(t)
				for _, b := range machines {
					if a != b {
						s.reach(t, b)
					}
				}
			}
			test(t, k, l, machines)
			for _, x := range machines {
				x.m.CheckBalance(t, "lan")
			}
		})
	}
}

// Three networks are one: each frame comes to each other machine, once.
func TestMesh(t *testing.T) {
	each(t, 3, "broadcast", func(t *testing.T, k kind, _ *line, machines []*machine) {
		for _, a := range machines {
			s := a.sender(t)
			first, last := s.next+1000, uint64(0)
			s.next = first - 1
			for range 10 {
				last = s.send(t, 20)
				time.Sleep(time.Millisecond) // no more than a queue holds at once
			}
			for _, b := range machines {
				if a == b {
					continue
				}
				harness.Eventually(t, fmt.Sprintf("200 frames from %d to come to %d", a.index, b.index), func() bool {
					n, twice := b.got(first, last)
					if twice {
						t.Fatalf("a frame from %d came twice to %d", a.index, b.index)
					}
					return n == 200
				})
			}
		}
	})
}

// While the line is cut nobody waits; afterwards the cable is there again.
func TestCut(t *testing.T) {
	each(t, 2, "switch", func(t *testing.T, k kind, l *line, machines []*machine) {
		a, b := machines[0], machines[1]
		s := a.sender(t)
		l.cut.Store(true)
		began := time.Now()
		s.send(t, 2000)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("2,000 frames to a line that is cut took %v", took)
		}
		if k.noticed {
			for _, x := range machines {
				harness.Eventually(t, "the cut to be noticed", func() bool {
					state, _ := x.state(t, 0)
					return state != "up"
				})
			}
		}
		l.cut.Store(false)
		s.reach(t, b)
		b.sender(t).reach(t, a)
	})
}

// A line that loses and delays packets costs frames of kinds that promise nothing, and
// no others.
func TestLoss(t *testing.T) {
	each(t, 2, "broadcast", func(t *testing.T, k kind, l *line, machines []*machine) {
		a, b := machines[0], machines[1]
		l.loss.Store(10)
		l.late.Store(20)
		s := a.sender(t)
		s.next += 1000
		first := s.next + 1
		var last uint64
		for range 20 {
			last = s.send(t, 20)
			time.Sleep(5 * time.Millisecond)
		}
		want := 400
		if !k.reliable {
			want = 250
		}
		harness.Eventually(t, fmt.Sprintf("%d of 400 frames", want), func() bool {
			n, twice := b.got(first, last)
			if twice {
				t.Fatal("a frame came twice")
			}
			return n >= want
		})
	})
}

// A daemon that was killed and started again is joined again.
func TestKilled(t *testing.T) {
	each(t, 2, "switch", func(t *testing.T, k kind, _ *line, machines []*machine) {
		a, b := machines[0], machines[1]
		b.reboot(t)
		a.sender(t).reach(t, b)
		b.sender(t).reach(t, a)
	})
}

// A daemon that stands still holds up nobody, and is joined again when it goes on.
func TestStopped(t *testing.T) {
	each(t, 2, "broadcast", func(t *testing.T, k kind, _ *line, machines []*machine) {
		a, b := machines[0], machines[1]
		if err := unix.Kill(b.m.PID, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Kill(b.m.PID, unix.SIGCONT) }()
		s := a.sender(t)
		began := time.Now()
		s.send(t, 20000)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("20,000 frames to a peer that stands still took %v", took)
		}
		if err := unix.Kill(b.m.PID, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		s.reach(t, b)
		b.sender(t).reach(t, a)
	})
}

// What strangers send to the ports of a cable changes nothing.
func TestGarbage(t *testing.T) {
	each(t, 3, "switch", func(t *testing.T, k kind, l *line, machines []*machine) {
		a, b, stranger := machines[0], machines[1], machines[2]
		junk := make([]byte, 1400)
		nstest.In(t, stranger.ns, func() error {
			for _, port := range k.ports {
				for _, network := range []string{"udp", "tcp"} {
					for i := range 50 {
						conn, err := net.DialTimeout(network, fmt.Sprintf("%v:%d", b.addr, port), time.Second)
						if err != nil {
							break
						}
						for j := range junk {
							junk[j] = byte(rand.Uint32())
						}
						_, _ = conn.Write(junk[:1+i*28])
						conn.Close()
					}
				}
			}
			return nil
		})
		a.sender(t).reach(t, b)
		b.sender(t).reach(t, a)
	})
}
