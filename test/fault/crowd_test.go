package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// crowd is how many processes come and go at a time.
const crowd = 200

// Processes join, send, receive and leave as fast as they can, under each
// overflow setting, some die by SIGKILL: a steady sender and a steady receiver
// go on, and in the end all is accounted for and nothing is left, not even a
// goroutine.
func TestCrowd(t *testing.T) {
	fresh := mounted(t).Goroutines(t)
	m := mounted(t)
	harness.Set(t, "16", m.Path(lan, "queue"))
	steady, sender := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY|unix.O_NONBLOCK)
	harness.Set(t, "drop-new", m.Path(lan, "ports", number(t, steady), "overflow"))
	var stop atomic.Bool
	var sent int
	var sending sync.WaitGroup
	sending.Go(func() {
		for ; !stop.Load(); sent++ {
			_, _ = unix.Write(sender, fmt.Appendf(nil, "steady %d", sent)) // EAGAIN under block
		}
	})
	t.Cleanup(func() { // also if the test fails: its descriptors will be others'
		stop.Store(true)
		sending.Wait()
	})
	received := make(chan int, 1)
	go func() { received <- receiveSteady(t, steady) }()

	children := make([]*harness.Child, crowd)
	for i := range children {
		children[i] = harness.Start(t, "crowd", m.Dir, fmt.Sprint(i))
	}
	for _, c := range children {
		c.Expect(t, "joined")
	}
	for i, overflow := range []string{"drop-new", "block", "drop-old", "disconnect", "block", "drop-new"} {
		harness.Set(t, overflow, m.Path(lan, "overflow"))
		before := m.Stats(t, lan)["frames"]
		for _, c := range children[i*10 : i*10+10] {
			c.Kill(t)
		}
		harness.Eventually(t, "frames to flow under "+overflow, func() bool {
			return m.Stats(t, lan)["frames"] > before+500
		})
		m.CheckBalance(t, lan)
	}
	for _, c := range children {
		c.Close()
	}
	for _, c := range children {
		c.AwaitEnd(t)
	}
	stop.Store(true)
	sending.Wait()
	removePort(t, m, number(t, steady)) // the end of the steady receiver
	got := <-received
	if sent == 0 || got == 0 {
		t.Errorf("%d frames sent, %d of them received", sent, got)
	}
	if s := m.Stats(t, lan); s["ports"] != 1 {
		t.Errorf("stats: %v", s)
	}
	closeNow(t, steady)
	closeNow(t, sender)
	m.CheckIdle(t)
	m.CheckBalance(t, lan)
	if left := m.Goroutines(t); len(left) != len(fresh) {
		t.Errorf("%d goroutines, a new daemon has %d:\n%s", len(left), len(fresh), left)
	}
}

// receiveSteady checks that what the steady sender sends comes in order, until
// the end of file, and counts it.
func receiveSteady(t *testing.T, fd int) (count int) {
	buf := make([]byte, 1000)
	for last := -1; ; {
		n, err := retry(func() (int, error) { return unix.Read(fd, buf) })
		if n <= 0 {
			if err != nil {
				t.Errorf("the steady receiver: %v", err)
			}
			return count
		}
		var seq int
		if _, err := fmt.Sscanf(string(buf[:n]), "steady %d", &seq); err != nil {
			continue
		}
		if seq <= last {
			t.Errorf("the steady receiver got frame %d after %d", seq, last)
		}
		last = seq
		count++
	}
}

func init() {
	harness.Role("crowd", func(args []string) {
		var seed uint64
		_, _ = fmt.Sscan(args[1], &seed)
		random := rand.New(rand.NewPCG(seed, seed))
		var stop atomic.Bool
		go func() {
			for harness.Hear() != "" { // until the test closes the pipe
			}
			stop.Store(true)
		}()
		for round := 0; !stop.Load(); round++ {
			if err := visit(args[0]+"/"+lan+"/", random); err != nil {
				fmt.Fprintln(os.Stderr, "crowd:", err)
				os.Exit(1)
			}
			if round == 0 {
				harness.Say("joined")
			}
		}
	})
}

// visit is one stay of a process on the network.
func visit(dir string, random *rand.Rand) error {
	door := doors[random.IntN(2)]
	flags := random.IntN(3)                          // O_RDONLY, O_WRONLY, O_RDWR
	if flags == unix.O_RDWR || random.IntN(2) == 0 { // two that wait for each other to read would do so for ever
		flags |= unix.O_NONBLOCK
	}
	fd, err := unix.Open(dir+door, flags, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	for range random.IntN(20) {
		if flags&unix.O_ACCMODE != unix.O_RDONLY && random.IntN(2) == 0 {
			_, err = unix.Write(fd, []byte(form(door, "crowd", string(pattern(1+random.IntN(2000), 0)))))
		} else if flags&unix.O_ACCMODE != unix.O_WRONLY {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if _, err = unix.Poll(fds, 1+random.IntN(10)); err == nil && fds[0].Revents != 0 {
				_, err = unix.Read(fd, buf[:1+random.IntN(len(buf))])
			}
		}
		switch {
		case errors.Is(err, unix.ECONNRESET): // disconnected
			return nil
		case err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return err
		}
	}
	if random.IntN(4) == 0 {
		time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
	}
	return nil
}
