package fault

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Writers that wait are interrupted and killed at the very moments at which
// settings change, receivers come and go and frames are read: every call
// returns, every process ends.
func TestKillWhileChanging(t *testing.T) {
	m := start(t)
	full := fill(t, m)
	expect(t, full, "fills the queue")
	during(t, func(i int) {
		harness.Set(t, fmt.Sprint(1+i%3), m.Path(lan, "queue"))
	})
	during(t, func(int) {
		fd, err := unix.Open(m.Path(lan, "port"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
	})
	during(t, func(i int) {
		if i%5 == 0 {
			_, _ = unix.Read(full, make([]byte, 100))
		}
	})
	if err := unix.SetNonblock(full, true); err != nil {
		t.Fatal(err)
	}
	for round := range 30 {
		c := harness.Start(t, "writers", m.Path(lan, doors[round%2]))
		for range 20 {
			tid := c.Number(t)
			_ = unix.Tgkill(c.PID, tid, unix.SIGUSR1)
		}
		c.Signal(t, unix.SIGKILL)
		c.AwaitEnd(t)
	}
}

// during calls f again and again until the test ends.
func during(t *testing.T, f func(i int)) {
	t.Helper()
	var stop atomic.Bool
	var running sync.WaitGroup
	running.Go(func() {
		for i := 0; !stop.Load() && !t.Failed(); i++ {
			f(i)
		}
	})

	t.Cleanup(func() {
		stop.Store(true)
		running.Wait()
	})
}

// The role "writers" writes from four threads to one open file, and says which
// thread is about to write.
func init() {
	harness.Role("writers", func(args []string) {
		handle("handler")
		fd, err := unix.Open(args[0], unix.O_WRONLY, 0)
		if err != nil {
			harness.Say("open: %v", err)
			return
		}
		long := make([]byte, 1000) // see the function long
		if args[0][len(args[0])-1] == 'm' {
			long = streamed(string(long))
		}
		if _, err := unix.Write(fd, long); err != nil {
			harness.Say("write: %v", err)
		}
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() { writeFrames(fd, args[0]) })
		}
		writers.Wait()
	})
}

func writeFrames(fd int, path string) {
	text := []byte("a frame")
	if path[len(path)-1] == 'm' {
		text = streamed("one", "two", "three")
	}
	for {
		harness.Say("%d", unix.Gettid())
		for rest := text; len(rest) > 0; {
			n, err := unix.Write(fd, rest)
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil:
				harness.Say("write: %v", err)
				return
			default:
				rest = rest[n:]
			}
		}
	}
}
