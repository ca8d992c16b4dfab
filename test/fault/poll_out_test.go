package fault

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Under block a sender that waits for POLLOUT sleeps while a receiver is full,
// and wakes by whatever ends that.
func TestPollOut(t *testing.T) {
	ends := map[string]func(t *testing.T, m *harness.Mounted, full int){
		"the receiver reads":      func(t *testing.T, _ *harness.Mounted, full int) { expect(t, full, "fills the queue") },
		"the receiver leaves":     func(t *testing.T, _ *harness.Mounted, full int) { closeNow(t, full) },
		"the receiver is removed": func(t *testing.T, m *harness.Mounted, full int) { removePort(t, m, number(t, full)) },
		"the queue grows":         func(t *testing.T, m *harness.Mounted, _ int) { harness.Set(t, "2", m.Path(lan, "queue")) },
		"the overflow changes":    func(t *testing.T, m *harness.Mounted, _ int) { harness.Set(t, "drop-old", m.Path(lan, "overflow")) },
		"the port's queue grows": func(t *testing.T, m *harness.Mounted, full int) {
			harness.Set(t, "2", m.Path(lan, "ports", number(t, full), "queue"))
		},
		"the port's overflow changes": func(t *testing.T, m *harness.Mounted, full int) {
			harness.Set(t, "drop-new", m.Path(lan, "ports", number(t, full), "overflow"))
		},
	}
	for name, end := range ends {
		for kind, waiter := range waits {
			t.Run(name+" "+kind, func(t *testing.T) {
				m := start(t)
				full := fill(t, m)
				w := openPort(t, m, unix.O_RDWR)
				wait := waiter(t, w)
				expectEvents(t, wait, unix.POLLOUT, 0)
				done := sleeping(t, func(ms int) (int16, error) { return wait(unix.POLLIN|unix.POLLOUT, ms) })
				end(t, m, full)
				woken(t, done, unix.POLLOUT)
				if err := unix.SetNonblock(w, true); err != nil {
					t.Fatal(err)
				}
				send(t, w, "does not wait")
			})
		}
	}
}

// A receiver that does not block its senders never stops POLLOUT.
func TestPollOutAlways(t *testing.T) {
	for _, overflow := range []string{"drop-new", "drop-old", "disconnect"} {
		m := start(t)
		fill(t, m)
		harness.Set(t, overflow, m.Path(lan, "overflow"))
		w := openPort(t, m, unix.O_WRONLY)
		for range 3 {
			if got := poll(t, w, unix.POLLOUT, 0); got != unix.POLLOUT {
				t.Errorf("%s: poll %#x", overflow, got)
			}
			send(t, w, "x")
		}
	}
}

// The own queue of a port does not stop its sending.
func TestPollOutOwnQueue(t *testing.T) {
	m := start(t)
	full := fill(t, m)
	both := openPort(t, m, unix.O_RDWR)
	expect(t, full, "fills the queue")
	send(t, openPort(t, m, unix.O_WRONLY), "now both are full")
	expect(t, full, "now both are full")
	if got := poll(t, both, unix.POLLIN|unix.POLLOUT, 0); got != unix.POLLIN|unix.POLLOUT {
		t.Errorf("poll: %#x", got)
	}
}
