package bustest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// waitLimit is how long WaitFor waits: long enough for a loaded machine.
var waitLimit = time.Minute

// WaitFor waits until ok says yes, and fails the test if it never does.
func WaitFor(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	if !wait(ok) {
		tb.Fatalf("waited in vain for: %s", what)
	}
}

func wait(ok func() bool) bool {
	for end := time.Now().Add(waitLimit); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// Lab is a network on a bus of its own, and who joined it.
type Lab struct {
	Bus *bus.Bus
	Net *bus.Network

	mu    sync.Mutex
	conns []*bus.Conn
}

// NewLab makes a network with that policy. When the test ends everybody
// leaves, all frames must be accounted for and all memory given back.
func NewLab(tb testing.TB, policy string) *Lab {
	tb.Helper()
	l, err := newLab(policy)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.close(); err != nil {
			tb.Error(err)
		}
	})
	return l
}

func newLab(policy string) (*Lab, error) {
	b := bus.New(bus.DefaultLimits())
	n, err := b.Create("lab", policy, bus.Access{Mode: 0o755}, bus.Access{Mode: 0o744})
	if err != nil {
		return nil, fmt.Errorf("policy %q: %w", policy, err)
	}
	return &Lab{Bus: b, Net: n}, nil
}

// Join attaches an endpoint that may receive and send, at the lowest free
// port, and fails the test if it cannot.
func (l *Lab) Join(tb testing.TB, ep bus.Endpoint) *bus.Conn {
	tb.Helper()
	return l.JoinAs(tb, ep, both)
}

// JoinAs is Join with options.
func (l *Lab) JoinAs(tb testing.TB, ep bus.Endpoint, o bus.JoinOptions) *bus.Conn {
	tb.Helper()
	c, err := l.join(ep, o)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// both are the rights to receive and to send.
var both = bus.JoinOptions{Recv: true, Send: true}

func (l *Lab) join(ep bus.Endpoint, o bus.JoinOptions) (*bus.Conn, error) {
	o.Info.Kind = "fake"
	c, err := l.Net.Join(ep, o)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns = append(l.conns, c)
	}
	return c, err
}

// Leave closes a connection.
func (l *Lab) Leave(c *bus.Conn) {
	l.mu.Lock()
	i := slices.Index(l.conns, c)
	if i >= 0 {
		l.conns = slices.Delete(l.conns, i, i+1)
	}
	l.mu.Unlock()
	if i >= 0 {
		c.Close()
	}
}

// close lets everybody leave and checks that nothing is left.
func (l *Lab) close() error {
	for _, c := range slices.Clone(l.conns) {
		l.Leave(c)
	}
	err := CheckBalance(l.Net.Stats())
	if queued := l.Net.Stats().Queued; queued != 0 {
		err = errors.Join(err, fmt.Errorf("%d frames are queued though nobody is connected", queued))
	}
	l.Bus.Shutdown()
	if !wait(func() bool { return l.Bus.Memory.Used() == 0 }) { // a send that waited may just be ending
		err = errors.Join(err, fmt.Errorf("%d bytes of memory were not given back", l.Bus.Memory.Used()))
	}
	if ports := l.Bus.PortsUsed(); ports != 0 {
		err = errors.Join(err, fmt.Errorf("%d ports are left", ports))
	}
	return err
}

// Send sends one frame from a buffer that is overwritten afterwards, and
// tells whether it went.
func Send(c *bus.Conn, frame []byte) bool {
	var b bus.Batch
	lent := append([]byte(nil), frame...)
	b.SetFrame(lent)
	n := c.Send(&b)
	b.Reset()
	poison(lent)
	return n == 1
}

// SendBatch sends the frames as one batch, in stream form, from a buffer that
// is overwritten afterwards, and tells how many went.
func SendBatch(c *bus.Conn, frames ...[]byte) int {
	var b bus.Batch
	lent := Stream(frames...)
	sent := 0
	for rest := lent; len(rest) > 0; {
		used, long := b.SetStream(rest, frame.MaxPrefixed)
		if used == 0 || long {
			panic("bustest: frames do not fit a batch")
		}
		n := c.Send(&b)
		sent += n
		if n < len(b.Frames) {
			break
		}
		rest = rest[used:]
	}
	b.Reset()
	poison(lent)
	return sent
}

func poison(lent []byte) {
	for i := range lent {
		lent[i] = 0xee
	}
}
