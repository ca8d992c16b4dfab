package door

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// crew is the group of port in the tests.
const crew = 20010

// users are one of each class of port's mode. Who is of the crew is so by a
// supplementary group.
var users = []struct {
	class string
	uid   int
	group int
	shift int // of his bits in a mode
}{
	{"owner", 20001, 20001, 6},
	{"group", 20002, crew, 3},
	{"other", 20003, 20003, 0},
}

// Each bit of each class: who connects to a socket may do what the bits of his class
// say, and theirs alone. What chmod says later is for those who come later.
func TestRights(t *testing.T) {
	m := start(t)
	port := m.Path(lan, "port")
	if err := os.Chown(port, users[0].uid, crew); err != nil {
		t.Fatal(err)
	}
	file, err := unix.Open(port, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(file)
	for _, u := range users {
		c := harness.Start(t, "client", strconv.Itoa(u.uid), strconv.Itoa(u.uid), strconv.Itoa(u.group))
		c.Expect(t, "ready")
		l := &lab{Mounted: m, file: file, c: c}
		for bits := range 8 {
			mode := os.FileMode(0o777&^(7<<u.shift) | bits<<u.shift) // what the others have is nothing to him
			for _, socket := range sockets {
				if missing(m.Path(lan, socket)) {
					if socket != "vhost" {
						t.Errorf("there is no %s", socket)
					}
					continue
				}
				t.Run(fmt.Sprintf("%s/%03o/%s", u.class, mode, socket), func(t *testing.T) {
					l.try(t, mode, bits, socket)
				})
			}
		}
		c.AwaitEnd(t)
	}
	for line := range strings.Lines(harness.Get(t, m.Path(lan, "errors"))) {
		if !strings.Contains(line, " vhost: connect: the front end hung up ") {
			t.Errorf("the kernel has not refused all: %s", line)
		}
	}
}

// lab is port 1 of a network, and a user.
type lab struct {
	*harness.Mounted
	file int
	c    *harness.Child
}

// try connects the user while port has the mode, of which bits are his.
func (l *lab) try(t *testing.T, mode os.FileMode, bits int, socket string) {
	receives, sends := bits&4 != 0, bits&2 != 0
	l.chmod(t, mode)
	l.c.Tell(t, "join "+l.Path(lan)+" "+socket)
	if !receives && !sends {
		l.c.Expect(t, "EACCES")
		return
	}
	l.c.Expect(t, "ok")
	stats := l.Path(lan, "ports", "2", "stats")
	if socket != "vhost" { // who has a machine to join
		harness.Eventually(t, "the port", func() bool { return !missing(stats) })
		l.exchange(t, receives, sends)
		l.chmod(t, 0)
		l.exchange(t, receives, sends)
		// All that was dropped is what he had no right to send.
		want := uint64(2)
		if sends {
			want = 0
		}
		if s := harness.ReadStats(t, stats); s["drop_filtered"] != want {
			t.Errorf("%d frames are dropped, not %d", s["drop_filtered"], want)
		}
	}
	l.c.Tell(t, "leave")
	l.c.Expect(t, "ok")
	harness.Eventually(t, "the port to leave", func() bool { return missing(stats) })
}

// exchange has a frame sent each way, and says how it should be.
func (l *lab) exchange(t *testing.T, receives, sends bool) {
	t.Helper()
	stats := func() map[string]uint64 { return harness.ReadStats(t, l.Path(lan, "ports", "2", "stats")) }
	before := stats()
	l.c.Tell(t, "send from-him")
	l.c.Expect(t, "ok")
	harness.Eventually(t, "his frame to come", func() bool { return stats()["frames"] == before["frames"]+1 })
	buf := make([]byte, 100)
	n, err := unix.Read(l.file, buf)
	if got := string(buf[:max(n, 0)]); sends != (got == "from-him") || !sends && err != unix.EAGAIN {
		t.Errorf("sends %v: %q comes, %v", sends, got, err)
	}
	if _, err := unix.Write(l.file, []byte("to-him")); err != nil {
		t.Fatal(err)
	}
	if receives {
		harness.Eventually(t, "the frame to arrive", func() bool { return stats()["received"] == before["received"]+1 })
	}
	l.c.Tell(t, "receive")
	if said := l.c.Line(t); said != "EAGAIN" && !receives || said != "to-him" && receives {
		t.Errorf("receives %v: he says %q", receives, said)
	}
	if got := stats()["offered"] - before["offered"]; receives != (got == 1) {
		t.Errorf("receives %v: he was offered %d", receives, got)
	}
}

func (l *lab) chmod(t *testing.T, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(l.Path(lan, "port"), mode); err != nil {
		t.Fatal(err)
	}
}
