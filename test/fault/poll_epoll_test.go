package fault

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Edge-triggered: after the reader has read until EAGAIN, a new frame wakes
// it, each time.
func TestEpollEdge(t *testing.T) {
	for _, door := range doors {
		t.Run(door, func(t *testing.T) {
			m := start(t)
			r, w := open(t, m.Path(lan, door), unix.O_RDONLY|unix.O_NONBLOCK), openPort(t, m, unix.O_WRONLY)
			ep := newEpoll(t, r, unix.EPOLLIN|unix.EPOLLET)
			for range 50 {
				done := sleeping(t, ep.wait)
				send(t, w, "a")
				woken(t, done, unix.POLLIN)
				if got, _ := ep.wait(0); got != 0 {
					t.Fatalf("told twice of one frame: %#x", got)
				}
				expect(t, r, form(door, "a"))
				_, err := unix.Read(r, make([]byte, 100))
				expectErr(t, "read", err, unix.EAGAIN)
			}
		})
	}
}

// One-shot: told once, until it is armed anew.
func TestEpollOneShot(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	ep := newEpoll(t, r, unix.EPOLLIN|unix.EPOLLONESHOT)
	for range 10 {
		done := sleeping(t, ep.wait)
		send(t, w, "a")
		woken(t, done, unix.POLLIN)
		send(t, w, "b")
		if got, _ := ep.wait(0); got != 0 {
			t.Fatalf("told twice: %#x", got)
		}
		ep.watch(t, unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLONESHOT)
		if got, _ := ep.wait(0); got != unix.POLLIN {
			t.Fatalf("armed while frames wait: %#x", got)
		}
		expect(t, r, "a")
		expect(t, r, "b")
		ep.watch(t, unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLONESHOT)
	}
}

// No wake-up is lost while frames come at any moment: a reader that sleeps
// when there is nothing gets them all, in order.
func TestEpollNoStall(t *testing.T) {
	const frames = 5000
	for name, flags := range map[string]uint32{"level": 0, "edge": unix.EPOLLET} {
		t.Run(name, func(t *testing.T) {
			m := start(t)
			harness.Set(t, "65536", m.Path(lan, "queue"))
			r, w := openPort(t, m, unix.O_RDONLY|unix.O_NONBLOCK), openPort(t, m, unix.O_WRONLY)
			ep := newEpoll(t, r, unix.EPOLLIN|flags)
			sent := make(chan error, 1)
			go func() {
				for i := range frames {
					text := fmt.Appendf(nil, "frame %d", i)
					if _, err := retry(func() (int, error) { return unix.Write(w, text) }); err != nil {
						sent <- err
						return
					}
				}
				sent <- nil
			}()
			buf := make([]byte, 100)
			for i := 0; i < frames; {
				got, err := retry(func() (int, error) { e, err := ep.wait(int(harness.Deadline.Milliseconds())); return int(e), err })
				if got != unix.POLLIN || err != nil {
					t.Fatalf("frame %d: epoll_wait gives %#x, %v", i, got, err)
				}
				for {
					n, err := unix.Read(r, buf)
					if errors.Is(err, unix.EAGAIN) {
						break
					} else if errors.Is(err, unix.EINTR) {
						continue
					}
					if want := fmt.Sprint("frame ", i); err != nil || string(buf[:n]) != want {
						t.Fatalf("read %q, %v, not %q", buf[:max(n, 0)], err, want)
					}
					i++
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Go's own poller: deadlines work, a Close ends a Read, data wakes it.
func TestGoPoller(t *testing.T) {
	for _, flags := range []string{"nonblock", "plain"} {
		t.Run(flags, func(t *testing.T) {
			m := start(t)
			other := openPort(t, m, unix.O_RDWR)
			c := harness.Start(t, "netpoll", m.Path(lan, "port"), flags)
			c.Expect(t, "deadline: true")
			c.Expect(t, "waiting")
			send(t, other, "hello")
			c.Expect(t, `read "hello" <nil>`)
			expect(t, other, "hello")
			c.Expect(t, "closed: true")
			c.AwaitEnd(t)
			if n := m.Stats(t, lan)["ports"]; n != 1 {
				t.Errorf("%d ports", n)
			}
		})
	}
}

func init() {
	harness.Role("netpoll", func(args []string) {
		flags := os.O_RDWR
		if args[1] == "nonblock" {
			flags |= unix.O_NONBLOCK
		}
		file, err := os.OpenFile(args[0], flags, 0)
		if err != nil {
			harness.Say("open: %v", err)
			return
		}
		buf := make([]byte, 100)
		if err := file.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			harness.Say("SetReadDeadline: %v", err)
		}
		_, err = file.Read(buf)
		harness.Say("deadline: %v", errors.Is(err, os.ErrDeadlineExceeded))
		_ = file.SetReadDeadline(time.Time{})
		type got struct {
			n   int
			err error
		}
		reads := make(chan got)
		go func() {
			for range 2 {
				n, err := file.Read(buf)
				reads <- got{n, err}
			}
		}()
		harness.Say("waiting")
		r := <-reads
		harness.Say("read %q %v", buf[:r.n], r.err)
		if _, err := file.Write(buf[:r.n]); err != nil {
			harness.Say("write: %v", err)
		}
		file.Close()
		harness.Say("closed: %v", errors.Is((<-reads).err, os.ErrClosed))
	})
}
