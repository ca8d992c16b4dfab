package fastpath

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Frames from one sender reach one receiver in the order they were sent, by whatever path:
// while each 100th goes to all, the table is flushed and the receiver moves away and back,
// both ways at once, on one processor and on several.
func TestOrder(t *testing.T) {
	m := mount(t)
	for _, c := range []struct {
		name string
		cpus [2]int // of the senders, and of the daemon that of the first; 0: any
		rate uint64
		each uint64 // of so many frames one goes to all; 0: none
	}{
		{"as fast as can be", [2]int{}, 0, 100},
		{"as fast as can be, on one processor", [2]int{1, 1}, 0, 100},
		{"as fast as can be, on two processors", [2]int{1, 2}, 0, 100},
		{"as fast as can be, the daemon beside one", [2]int{2, 2}, 0, 0},
		{"as fast as the daemon", [2]int{}, 100_000, 100},
		{"as fast as the daemon, on one processor", [2]int{1, 1}, 40_000, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLAN(t, m, "order", 3)
			pinProcess(t, l.PID, c.cpus[0])
			defer pinProcess(t, l.PID, 0)
			a, b, other := l.hosts[0], l.hosts[1], l.hosts[2]
			l.speak(a, b)
			l.awaitAlone(a, b)
			l.settle()
			counted := l.countFrom()
			count := few(1_000_000)
			if c.rate > 0 {
				count = few(4 * c.rate)
			}
			flow := func(fl byte, from, to *host, cpu int) *sender {
				return from.start(traffic{
					frames: [][]byte{frame(fl, to.mac, from.mac), frame(fl, everybody, from.mac)},
					pick: func(n uint64) int {
						if c.each > 0 && n%c.each == c.each-1 {
							return 1
						}
						return 0
					},
					count: count, rate: c.rate, cpu: cpu,
				})
			}
			ab, ba := flow(there, a, b, c.cpus[0]), flow(back, b, a, c.cpus[1])
			moves, flushes := 0, 0
			for ab.sent.Load() < count || ba.sent.Load() < count {
				time.Sleep(20 * time.Millisecond) // some of each, in no order
				switch moves++; {
				case moves%5 == 0:
					l.set("switch/fdb=flush")
					flushes++
				default:
					other.say(a.mac)
					other.say(b.mac)
				}
			}
			ab.wait()
			ba.wait()
			l.settle()
			for _, h := range l.hosts {
				h.checkOrder(there)
				h.checkOrder(back)
			}
			lost := counted.since()
			t.Logf("of 2 x %d frames %d and %d came, %d moves, %d flushes, %v", count, b.count(there), a.count(back), moves-flushes, flushes, lost)
			if c.each > 0 && (b.count(there) == 0 || a.count(back) == 0) {
				t.Error("none came")
			}
		})
	}
}

// pinProcess keeps all threads of a process on a processor, from 1; 0: on any.
func pinProcess(t *testing.T, pid, cpu int) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(1, &set); err != nil {
		t.Fatal(err)
	}
	if cpu > 0 {
		if !set.IsSet(cpu - 1) {
			harness.Missing(t, fmt.Sprintf("processor %d", cpu))
		}
		set.Zero()
		set.Set(cpu - 1)
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			_ = unix.SchedSetaffinity(tid, &set) // it may have ended
		}
	}
}
