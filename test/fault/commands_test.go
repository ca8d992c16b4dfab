package fault

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// nobodyElse is a user without rights.
const nobodyElse = 65534

const refusedStep = 100

// The role "commands DIR FILE N" becomes a user without rights, makes a network
// and writes N commands at once to that file of it, from a thread each. It
// tells each time that refusedStep more were refused.
func init() {
	harness.Role("commands", func(args []string) {
		n, _ := strconv.Atoi(args[2])
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(nobodyElse), syscall.Setuid(nobodyElse)} {
			if err != nil {
				harness.Say("%v", err)
				return
			}
		}
		net := filepath.Join(args[0], "lan")
		if err := os.Mkdir(net, 0o755); err != nil {
			harness.Say("%v", err)
			return
		}
		var refused atomic.Int64
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				fd, err := unix.Open(filepath.Join(net, args[1]), unix.O_WRONLY, 0)
				if err != nil {
					harness.Say("%v", err)
					return
				}
				defer unix.Close(fd)
				if _, err := unix.Write(fd, []byte("lnkflood")); err != unix.EPERM {
					harness.Say("not refused: %v", err)
				} else if n := refused.Add(1); n%refusedStep == 0 {
					harness.Say("refused %d", n)
				}
			})
		}
		all.Wait()
	})
}

// maxThreads is how many threads the daemon may have while commands are
// refused: 16 that look at interfaces, those that serve, and the few that Go
// adds for each processor.
const maxThreads = 40

// However many commands are refused at once, they cost the daemon few threads.
func TestRefusedCommands(t *testing.T) {
	harness.NeedRoot(t)
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // that user must get there
		t.Fatal(err)
	}
	m := harness.MountOn(t, dir, "mode=1777")
	c := harness.Start(t, "commands", dir, "tap", "600")
	most, stop, stopped := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			entries, _ := os.ReadDir("/proc/" + strconv.Itoa(m.PID) + "/task")
			most = max(most, len(entries))
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	for n := refusedStep; n <= 600; n += refusedStep {
		c.Expect(t, "refused "+strconv.Itoa(n))
	}
	close(stop)
	<-stopped
	if most > maxThreads {
		t.Errorf("%d threads, want at most %d", most, maxThreads)
	}
	t.Logf("%d threads", most)
}
