package fault

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// A slow receiver is one that does not read, or a process that is stopped
// while it waits for a frame. slow makes one with room for four frames, and
// returns how to get what it received: until a read says word, the end.
var slow = map[string]func(t *testing.T, m *harness.Mounted, door string) (received func() []string, end func()){
	"idle": func(t *testing.T, m *harness.Mounted, door string) (func() []string, func()) {
		r := open(t, m.Path(lan, door), unix.O_RDONLY|unix.O_NONBLOCK)
		return func() (got []string) {
			for {
				buf := make([]byte, 100)
				n, err := unix.Read(r, buf)
				if err != nil || n == 0 {
					return append(got, said(nil, 0, err))
				}
				got = append(got, split(door, buf[:n])...)
			}
		}, func() { closeNow(t, r) }
	},
	"stopped": func(t *testing.T, m *harness.Mounted, door string) (func() []string, func()) {
		c := harness.Start(t, "receive", m.Path(lan, door))
		c.Expect(t, "opened")
		m.AwaitBlocked(t, c.PID, 1)
		c.Signal(t, unix.SIGSTOP)
		c.AwaitStopped(t)
		return func() (got []string) {
			c.Signal(t, unix.SIGCONT)
			for {
				line := c.Line(t)
				if line == "" || line == "EAGAIN" {
					return append(got, line)
				}
				got = append(got, split(door, []byte(line))...)
			}
		}, func() { c.Kill(t) }
	},
}

func init() {
	harness.Role("receive", func(args []string) {
		fd, err := unix.Open(args[0], unix.O_RDONLY, 0)
		if err != nil {
			harness.Say("open: %v", err)
			return
		}
		harness.Say("opened")
		buf := make([]byte, 100)
		n, err := unix.Read(fd, buf) // the test stops us here
		for {
			switch {
			case err == unix.EINTR:
			case err != nil || n == 0:
				harness.Say("%s", said(nil, 0, err))
				harness.Hear()
				return
			default:
				harness.Say("%s", buf[:n])
			}
			_ = unix.SetNonblock(fd, true)
			n, err = unix.Read(fd, buf)
		}
	})
}

// split takes what a read gave apart into frames of two bytes.
func split(door string, data []byte) []string {
	if door == "port" {
		return []string{string(data)}
	}
	return strings.Fields(strings.ReplaceAll(string(data), "\x00\x02", " "))
}
