package nats

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/cable"
	"ipnfs/creds"
	_ "ipnfs/policies/broadcast"
	_ "ipnfs/policies/l2switch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a nats-server on loopback.
type server struct {
	addr, route string
	args        []string
	cmd         *exec.Cmd
}

// freeAddr returns an address that nobody listens at, which is likely to stay so.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// newServers starts a cluster of n servers until the test ends, each with a file of
// settings besides.
func newServers(tb testing.TB, n int, settings string) (list []*server) {
	tb.Helper()
	if _, err := exec.LookPath("nats-server"); err != nil {
		if os.Getenv("IPNFS_TEST_REQUIRE") != "" {
			tb.Fatal("this test needs nats-server")
		}
		tb.Skip("this test needs nats-server")
	}
	file := filepath.Join(tb.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		tb.Fatal(err)
	}
	var routes []string
	for range n {
		s := &server{addr: freeAddr(tb), route: freeAddr(tb)}
		routes = append(routes, "nats://"+s.route)
		list = append(list, s)
	}
	for _, s := range list {
		host, port, _ := net.SplitHostPort(s.addr)
		s.args = []string{"-c", file, "-a", host, "-p", port}
		if n > 1 {
			s.args = append(s.args, "--cluster_name", "test", "--cluster", "nats://"+s.route, "--routes", strings.Join(routes, ","))
		}
		s.start(tb)
		tb.Cleanup(s.stop)
	}
	if n > 1 {
		awaitCluster(tb, list)
	}
	return list
}

// start returns when the server listens.
func (s *server) start(tb testing.TB) {
	tb.Helper()
	s.cmd = exec.Command("nats-server", s.args...)
	out, err := s.cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for said.Scan() {
		if strings.Contains(said.Text(), "Server is ready") {
			go io.Copy(io.Discard, out)
			return
		}
	}
	tb.Fatalf("nats-server %v ended", s.args)
}

// stop kills the server.
func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// awaitCluster waits until what one server is told of reaches all others.
func awaitCluster(tb testing.TB, list []*server) {
	tb.Helper()
	for i, from := range list {
		for j, to := range list {
			if i != j {
				a, b := dial(tb, from.addr), dial(tb, to.addr)
				sub, err := b.SubscribeSync(fmt.Sprintf("ready.%d.%d", i, j))
				if err != nil {
					tb.Fatal(err)
				}
				b.Flush()
				bustest.WaitFor(tb, "servers to find one another", func() bool {
					a.Publish(sub.Subject, nil)
					a.Flush()
					n, _, _ := sub.Pending()
					return n > 0
				})
				a.Close()
				b.Close()
			}
		}
	}
}

// member is a network with a cable.
type member struct {
	*bustest.Lab
	d       *dialer
	port    *bus.Port // the cable's
	counter *counter
	sender  *bus.Conn
	index   int
	sent    int
}

// self is this process as a caller.
func self() bus.Caller {
	return creds.Of(uint32(os.Getpid()), uint32(os.Getuid()), uint32(os.Getgid()))
}

// newMember makes a network and lays a cable, until the test ends.
func newMember(tb testing.TB, policy, locator string, index int) *member {
	tb.Helper()
	m := &member{Lab: bustest.NewLab(tb, policy), counter: &counter{}, index: index}
	m.lay(tb, locator)
	m.sender = m.Join(tb, m.counter)
	return m
}

var opened struct {
	sync.Mutex
	last *dialer
}

// init has tests know the dialers of cables.
func init() {
	cable.Register(cable.Scheme{
		Name: "spied", Hops: true,
		Open: spy,
	})
}

func (m *member) lay(tb testing.TB, locator string) {
	tb.Helper()
	opened.Lock()
	defer opened.Unlock()
	if err := m.attach(strings.Replace(locator, "nats://", "spied://", 1)); err != nil {
		tb.Fatal(err)
	}
	m.d = opened.last
	m.port = m.Net.Port(1)
	tb.Cleanup(m.detach)
}

func (m *member) attach(line string) error { return m.attachAs(line + " port=1") }

func (m *member) attachAs(line string) error {
	return bus.AttacherOf("cable").Attach(m.Net, self(), line+" name=c")
}

// detach takes the cable off.
func (m *member) detach() { _ = bus.AttacherOf("cable").Detach(m.Net, self(), "c") }

// line is the cable's.
func (m *member) line() string { return bus.AttacherOf("cable").List(m.Net) }

// word is a word of the cable's line.
func (m *member) word(key string) string {
	for _, w := range strings.Fields(m.line()) {
		if value, ok := strings.CutPrefix(w, key+"="); ok {
			return value
		}
	}
	return ""
}

func (m *member) awaitUp(tb testing.TB) {
	tb.Helper()
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("member %d: %s", m.index, m.line())
		}
	})
	bustest.WaitFor(tb, "the cable to be up", func() bool { return m.word("state") == "up" })
}

// station is the address of a station of a member, and all the one of all.
func station(index int) [6]byte { return [6]byte{2, 0, 0, 0, byte(index >> 8), byte(index)} }

var everybody = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// message is a frame with a number.
func numbered(to [6]byte, from, number, length int) []byte {
	f := append(to[:], make([]byte, length-6)...)
	src := station(from)
	copy(f[6:], src[:])
	binary.BigEndian.PutUint16(f[12:], 0x88b5)
	binary.BigEndian.PutUint32(f[14:], uint32(from))
	binary.BigEndian.PutUint32(f[18:], uint32(number))
	return f
}

// send sends n numbered frames, as of a station, in batches.
func (m *member) send(tb testing.TB, to [6]byte, n, length int) {
	tb.Helper()
	var b bus.Batch
	for n > 0 {
		b.Reset()
		for range min(n, 16) {
			b.AddPlain(numbered(to, m.index, m.sent, length))
			m.sent++
			n--
		}
		m.sender.Send(&b)
	}
}

// counter is an endpoint that counts numbered frames.
type counter struct {
	conn *bus.Conn
	mu   sync.Mutex
	came map[[2]uint32]int
	dup  int
	all  int
}

var _ bus.Endpoint = (*counter)(nil)

func (c *counter) Attach(conn *bus.Conn)                                { c.conn = conn }
func (c *counter) Claim(_ *frame.Batch, i, j int) (n int, token uint64) { return j - i, 0 }
func (c *counter) Wake()                                                {}
func (c *counter) Gone()                                                {}

func (c *counter) Emit(b *frame.Batch, i, j int, _ uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.came == nil {
		c.came = map[[2]uint32]int{}
	}
	for ; i < j; i++ {
		data := b.Frames[i].Data()
		if len(data) < 22 {
			continue
		}
		k := [2]uint32{binary.BigEndian.Uint32(data[14:]), binary.BigEndian.Uint32(data[18:])}
		if c.came[k]++; c.came[k] > 1 {
			c.dup++
		}
		c.all++
	}
}

// from tells how many frames of a member came, and of how many numbers twice.
func (c *counter) from(index int) (n, twice int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.came {
		if int(k[0]) == index {
			n++
		}
	}
	return n, c.dup
}
