package fault

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A wait for a frame sleeps until one comes, in poll, select and epoll.
func TestPollIn(t *testing.T) {
	for name, waiter := range waits {
		for _, door := range doors {
			t.Run(name+" "+door, func(t *testing.T) {
				m := start(t)
				r, w := open(t, m.Path(lan, door), unix.O_RDWR), openPort(t, m, unix.O_WRONLY)
				wait := waiter(t, r)
				for range 10 {
					expectEvents(t, wait, unix.POLLIN, 0)
					expectEvents(t, wait, unix.POLLIN|unix.POLLOUT, unix.POLLOUT)
					done := sleeping(t, func(ms int) (int16, error) { return wait(unix.POLLIN, ms) })
					send(t, w, "a")
					woken(t, done, unix.POLLIN)
					send(t, w, "b")
					expectEvents(t, wait, unix.POLLIN, unix.POLLIN)
					if door == "port" {
						expect(t, r, "a")
						expectEvents(t, wait, unix.POLLIN, unix.POLLIN)
						expect(t, r, "b")
					} else {
						expect(t, r, form(door, "a")+form(door, "b"))
					}
				}
				expectEvents(t, wait, unix.POLLIN, 0)
			})
		}
	}
}

// A wait for the end of a port sleeps until it comes.
func TestPollHup(t *testing.T) {
	for name, waiter := range waits {
		t.Run(name, func(t *testing.T) {
			m := start(t)
			r := openPort(t, m, unix.O_RDONLY)
			wait := waiter(t, r)
			done := sleeping(t, func(ms int) (int16, error) { return wait(unix.POLLIN, ms) })
			removePort(t, m, number(t, r))
			want := int16(unix.POLLIN | unix.POLLHUP)
			if name == "select" {
				want = unix.POLLIN
			}
			woken(t, done, want)
			expectEOF(t, r)
		})
	}
}

// The rest of a frame that was read in part counts as a frame.
func TestPollRemainder(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	send(t, w, "0123456789")
	read(t, r, 4)
	if got := poll(t, r, unix.POLLIN, 0); got != unix.POLLIN {
		t.Fatalf("poll: %#x", got)
	}
	read(t, r, 6)
	expectEmpty(t, r)
}

// All threads that wait on one open file wake, and pollers of others do not.
func TestPollMany(t *testing.T) {
	m := start(t)
	r, idle := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_RDWR)
	var all []<-chan result
	for range 5 {
		all = append(all, sleeping(t, func(ms int) (int16, error) { return waits["poll"](t, r)(unix.POLLIN, ms) }))
	}
	send(t, idle, "x")
	for _, done := range all {
		woken(t, done, unix.POLLIN)
	}
	expectEmpty(t, idle)
}

// A port that cannot send is never ready to, and one that cannot receive has
// nothing to read.
func TestPollRights(t *testing.T) {
	m := start(t)
	r, w, other := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY), openPort(t, m, unix.O_WRONLY)
	send(t, other, "x")
	if got := poll(t, w, unix.POLLIN|unix.POLLOUT, 0); got != unix.POLLOUT {
		t.Errorf("a port opened to write: %#x", got)
	}
	if got := poll(t, r, unix.POLLIN|unix.POLLOUT, 0); got != unix.POLLIN {
		t.Errorf("a port opened to read: %#x", got)
	}
}
