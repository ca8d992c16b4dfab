package cable

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// machine is a namespace with a daemon of its own, whose network is lan.
type machine struct {
	*end
	index int
	m     *harness.Mounted
	lan   string // its directory
	laid  []string

	groups bool // each cable gets a group of its own

	mu   sync.Mutex
	came map[uint64]int // how often, by number
	last uint64         // the highest that came
}

// boot starts a daemon for an end of a line.
func boot(t *testing.T, e *end, index int, policy string) *machine {
	t.Helper()
	x := &machine{end: e, index: index, came: map[uint64]int{}}
	x.start(t, policy)
	return x
}

func (x *machine) start(t *testing.T, policy string) {
	t.Helper()
	x.m = harness.Mount(t)
	x.lan = x.m.Network(t, "lan")
	harness.Set(t, policy, x.lan, "policy")
	// What a line held back comes at once: it must find room in the port of receive.
	harness.Set(t, "4096", x.lan, "queue")
	x.receive(t)
}

// reboot kills the daemon and starts another with the same cables.
func (x *machine) reboot(t *testing.T) {
	t.Helper()
	policy := strings.Fields(harness.Get(t, x.lan, "policy"))[0]
	x.m.Kill(t)
	x.start(t, policy)
	again := x.laid
	x.laid = nil
	for _, locator := range again {
		x.lay(t, locator)
	}
}

// lay lays a cable in the machine's namespace.
func (x *machine) lay(t *testing.T, locator string) {
	t.Helper()
	x.laid = append(x.laid, locator)
	text := fmt.Sprintf("%s netns=%s", locator, x.name)
	if x.groups {
		text += fmt.Sprintf(" group=g%d", len(x.laid))
	}
	harness.Set(t, text, x.lan, "cable")
}

// receive counts what comes on the network, until the daemon ends.
func (x *machine) receive(t *testing.T) {
	t.Helper()
	// Without O_NONBLOCK the runtime does not poll it: a poll waits for a daemon that
	// stands still, and all that is polled with it.
	fd, err := unix.Open(filepath.Join(x.lan, "port"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	door := os.NewFile(uintptr(fd), "port")
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := door.Read(buf)
			if n == 0 || err != nil {
				return
			}
			if number, ok := numberOf(buf[:n]); ok {
				x.mu.Lock()
				x.came[number]++
				x.last = max(x.last, number)
				x.mu.Unlock()
			}
		}
	})
	daemon := x.m
	t.Cleanup(func() { // before the mount's own
		if daemon.Running() {
			_ = os.Remove(filepath.Join(daemon.Dir, "lan", "ports", "1"))
		}
		door.Close()
		reading.Wait()
	})
}

// The frames of the tests are broadcasts of an own type with a number.
const etherType = 0x88b5

func numbered(from int, number uint64) []byte {
	f := append(make([]byte, 0, 200), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0x77, byte(from), etherType>>8, etherType&0xff)
	f = binary.BigEndian.AppendUint64(f, number)
	return append(f, make([]byte, 200-len(f))...)
}

func numberOf(f []byte) (number uint64, ok bool) {
	if len(f) < 22 || binary.BigEndian.Uint16(f[12:]) != etherType {
		return 0, false
	}
	return binary.BigEndian.Uint64(f[14:]), true
}

// sender sends numbered frames on the network.
type sender struct {
	door *os.File
	from int
	next uint64
}

func (x *machine) sender(t *testing.T) *sender {
	t.Helper()
	door, err := os.OpenFile(filepath.Join(x.lan, "port"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { door.Close() })
	return &sender{door: door, from: x.index, next: uint64(x.index) << 32}
}

// send sends n frames, and returns the number of the last.
func (s *sender) send(t *testing.T, n int) uint64 {
	t.Helper()
	for range n {
		s.next++
		if _, err := s.door.Write(numbered(s.from, s.next)); err != nil {
			t.Fatalf("sending: %v", err)
		}
	}
	return s.next
}

// got tells how many of the numbers from first to last came, and whether one of them
// came twice.
func (x *machine) got(first, last uint64) (n int, twice bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for number := first; number <= last; number++ {
		if x.came[number] > 0 {
			n++
		}
		twice = twice || x.came[number] > 1
	}
	return n, twice
}

// state is the state of the machine's i-th cable, and its line.
func (x *machine) state(t *testing.T, i int) (state, line string) {
	t.Helper()
	lines := strings.Split(harness.Get(t, x.lan, "cable"), "\n")
	if i >= len(lines) {
		return "", ""
	}
	for _, word := range strings.Fields(lines[i]) {
		if key, value, _ := strings.Cut(word, "="); key == "state" {
			return value, lines[i]
		}
	}
	return "", lines[i]
}

// reach sends frames until one comes at the other machine.
func (s *sender) reach(t *testing.T, to *machine) {
	t.Helper()
	harness.Eventually(t, "a frame to reach machine "+fmt.Sprint(to.index), func() bool {
		first := s.next + 1
		last := s.send(t, 1)
		n, _ := to.got(first-min(first&0xffffffff-1, 50), last)
		return n > 0
	})
}
