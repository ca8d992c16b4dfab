package hostile

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// probe is what the victim has open.
type probe struct {
	dir string    // the mount
	end time.Time // of the measurement

	in, out, again int // round trips; again sends what wakes a reader whose frame was lost
	hellos, storm  int // the switch: port 1 reads, port 2 sends
}

// stormRate is how many broadcasts a second the victim sends on its switch,
// half of what it may.
const stormRate = 20

// ms is a time in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// roundTrips writes a frame and reads it, again and again.
func (p *probe) roundTrips(f *figures) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var stop, seen atomic.Int64
	go p.wake(&seen, &stop)
	defer stop.Store(1)
	frame, buf := []byte("0123456789012345678901234567890123456789"), make([]byte, 2048)
	times := make([]time.Duration, 0, 1<<16)
	for now := time.Now(); len(times) == 0 || now.Before(p.end); {
		_, err := unix.Write(p.out, frame)
		n := 0
		if err == nil {
			n, err = unix.Read(p.in, buf)
		}
		if err != nil || n != len(frame) {
			f.Lost++
		}
		before := now
		now = time.Now()
		times = append(times, now.Sub(before))
		seen.Store(int64(len(times)))
	}
	slices.Sort(times)
	part := func(q float64) float64 { return ms(times[int(q*float64(len(times)-1))]) }
	f.Rounds, f.P50, f.P99, f.P999, f.Worst = len(times), part(0.5), part(0.99), part(0.999), part(1)
}

// lostAfter is when a frame that the victim waits for counts as lost.
const lostAfter = 5 * time.Second

// wake sends a frame to the reader of the round trips if its own does not come.
func (p *probe) wake(seen, stop *atomic.Int64) {
	last, since := int64(0), time.Now()
	for ; stop.Load() == 0; time.Sleep(50 * time.Millisecond) {
		if n := seen.Load(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > lostAfter {
			_, _ = unix.Write(p.again, []byte("lost"))
			since = time.Now()
		}
	}
}

// awaitHellos measures the gaps between BPDUs, and goes on behind the end until
// the gap that was open then is closed, or too long.
func (p *probe) awaitHellos(f *figures) {
	buf := make([]byte, 2048)
	for last := time.Now(); ; {
		fds := []unix.PollFd{{Fd: int32(p.hellos), Events: unix.POLLIN}}
		_, _ = unix.Poll(fds, 100)
		hello := false
		for {
			n, err := unix.Read(p.hellos, buf)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n == 0 {
				break
			}
			hello = hello || n > 6 && string(buf[:6]) == "\x01\x80\xc2\x00\x00\x00"
		}
		now := time.Now()
		f.Hello = max(f.Hello, ms(now.Sub(last)))
		if now.After(p.end) && (hello || f.Hello > 2*limit.Hello) {
			return
		}
		if hello {
			last = now
		}
	}
}

// broadcast sends broadcasts at a steady rate, from an address each: the rate
// is within what storm control lets pass, as long as it is refilled, and the
// addresses are forgotten after a second.
func (p *probe) broadcast() {
	for i := byte(0); time.Now().Before(p.end); i++ {
		_, _ = unix.Write(p.storm, []byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00"+string([]byte{i})+"\x08\x00hello"))
		time.Sleep(time.Second / stormRate)
	}
}

// stormed is how many frames storm control has dropped.
func (p *probe) stormed() uint64 {
	text, _ := os.ReadFile(p.dir + tree + "/stats")
	_, rest, _ := strings.Cut(string(text), "drop_storm ")
	rest, _, _ = strings.Cut(rest, "\n")
	n, _ := strconv.ParseUint(rest, 10, 64)
	return n
}

// lookAtFiles looks up, lists and reads the victim's files.
func (p *probe) lookAtFiles(f *figures) {
	for i := 0; time.Now().Before(p.end); i++ {
		for _, look := range []struct {
			what string
			do   func() error
		}{
			{"look-up", func() error { return unix.Access(p.dir+plain+"/mtu", unix.F_OK) }},
			{"ls", func() error { _, err := os.ReadDir(p.dir + plain + "/ports"); return err }},
			{"cat stats", func() error { _, err := os.ReadFile(p.dir + plain + "/stats"); return err }},
			{"cat stp", func() error { _, err := os.ReadFile(p.dir + tree + "/switch/stp"); return err }},
			{"cat fdb", func() error { _, err := os.ReadFile(p.dir + tree + "/switch/fdb"); return err }},
			{"echo mtu", func() error { return write(p.dir+plain+"/mtu", "1500") }},
			{"open port", func() error {
				fd, err := unix.Open(p.dir+plain+"/port", unix.O_WRONLY, 0)
				unix.Close(fd)
				return err
			}},
		} {
			start := time.Now()
			err := look.do()
			if took := ms(time.Since(start)); took > f.Files {
				f.Files, f.What = took, look.what
			}
			if err != nil {
				fail(err)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}
