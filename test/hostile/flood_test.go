package hostile

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// talkUnderFlood makes a network that all may use, waits until an attacker has
// filled its table, and lets two stations talk: a third port sees nothing of
// what is for one of them alone.
func talkUnderFlood(r *trial, m *harness.Mounted) {
	dir := m.Network(r, "flat")
	harness.Set(r, "switch fdb_max=1000", dir, "policy")
	if err := os.Chmod(dir+"/port", 0o777); err != nil {
		r.Fatal(err)
	}
	harness.Eventually(r, "the table to be full", func() bool {
		return strings.Contains(harness.Get(r, dir, "switch", "counters"), "fdb_entries 1000")
	})
	const a, b = "\x02\xaa\xaa\x00\x00\x01", "\x02\xbb\xbb\x00\x00\x01"
	var fds [3]int
	for i := range fds {
		fd, err := unix.Open(dir+"/port", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			r.Fatal(err)
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	send := func(fd int, to, from string) {
		if _, err := unix.Write(fd, []byte(to+from+"\x08\x00hello")); err != nil {
			r.Fatal(err)
		}
	}
	drain := func(fd int) (n int) {
		for buf := make([]byte, 2048); ; n++ {
			if _, err := unix.Read(fd, buf); err != nil {
				if !errors.Is(err, unix.EAGAIN) {
					r.Error(err)
				}
				return n
			}
		}
	}
	send(fds[0], everybody, a)
	send(fds[1], everybody, b)
	time.Sleep(50 * time.Millisecond) // frames that were flooded before
	drain(fds[2])
	seen := 0
	for range 100 {
		send(fds[0], b, a)
		time.Sleep(time.Millisecond)
		seen += drain(fds[2])
	}
	if seen > 0 {
		r.exceeds("a third port saw %d frames of two who had both spoken", seen)
	}
}
