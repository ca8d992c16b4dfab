package bustest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// Fixture is an endpoint for TestEndpoint, together with what is behind it:
// the far end of a tap, a socket, a file.
type Fixture struct {
	Endpoint bus.Endpoint
	Options  bus.JoinOptions // what it joins with; it must be able to receive

	// Received returns the frames that came out at the far end so far, in
	// order.
	Received func() [][]byte
	// Bring lets the far end bring one frame in. It may return before the
	// frame is sent. nil: the endpoint only receives.
	Bring func(frame []byte)
	// Stall lets the far end take nothing until it is called with false. It
	// is called before any frame came. nil: it always takes.
	Stall func(bool)
	// Close ends the endpoint as its owner would, with Conn.Close as the last
	// thing done. It is called once, also when the Conn is gone already.
	Close func()
}

// TestEndpoint checks what every endpoint must do, on networks of its own:
//
//   - all frames come out at the far end, whole and in order, alone or in
//     batches, from one sender or several;
//   - it claims no more than it is offered;
//   - it keeps no bytes that are only lent;
//   - what it brings in reaches the others unchanged and in order;
//   - a far end that takes nothing holds up nobody, and gets what queued when
//     it takes again;
//   - it ends when its port is removed, and leaves nothing behind.
//
// open makes a fresh one each time. Frames are Ethernet broadcasts of 60 to
// 1500 bytes.
func TestEndpoint(t *testing.T, open func(tb testing.TB) *Fixture) {
	t.Helper()
	for _, c := range endpointChecks {
		t.Run(c.name, func(t *testing.T) {
			if err := runEndpoint(open(t), c.run); err != nil {
				t.Error(err)
			}
		})
	}
}

// bench is an endpoint on a network, with two others to talk to.
type bench struct {
	*Fixture
	lab    *Lab
	conn   *bus.Conn
	guard  *guard
	peers  [2]Recorder
	others [2]*bus.Conn
}

var endpointChecks = []struct {
	name string
	run  func(*bench) error
}{
	{"takes", (*bench).checkTakes},
	{"takes from several", (*bench).checkSeveral},
	{"brings", (*bench).checkBrings},
	{"stalls", (*bench).checkStalls},
	{"removed", (*bench).checkRemoved},
}

func runEndpoint(f *Fixture, run func(*bench) error) error {
	l, err := newLab(hubName)
	if err != nil {
		return err
	}
	b := &bench{Fixture: f, lab: l, guard: &guard{Endpoint: f.Endpoint}}
	if b.conn, err = l.Net.Join(b.guard, f.Options); err != nil {
		return err
	}
	for i := range b.others {
		if b.others[i], err = l.join(&b.peers[i], both); err != nil {
			return err
		}
	}
	err = errors.Join(run(b), b.guard.verdict())
	f.Close()
	if err == nil && !b.conn.Gone() {
		err = errors.New("the Conn is still open after Close")
	}
	return errors.Join(err, l.close())
}

func endpointFrame(sender, seq int) []byte {
	return Mark(EthernetHeader(sender), sender, seq, 30+seq*97%1440)
}

// await waits until n frames have come out, and checks them.
func (b *bench) await(n int) error {
	if !wait(func() bool { return len(b.Received()) >= n }) {
		return fmt.Errorf("%d frames came out, not %d", len(b.Received()), n)
	}
	if got := len(b.Received()); got != n {
		return fmt.Errorf("%d frames came out, not %d", got, n)
	}
	return CheckOrder(b.Received())
}

func (b *bench) checkTakes() error {
	for i := range 50 {
		Send(b.others[0], endpointFrame(1, i))
	}
	batch := make([][]byte, 100)
	for i := range batch {
		batch[i] = endpointFrame(1, 50+i)
	}
	SendBatch(b.others[0], batch...)
	return b.await(150)
}

func (b *bench) checkSeveral() error {
	var work busy
	for k, c := range b.others {
		work.do(100, func(i int) error { Send(c, endpointFrame(k+1, i)); return nil })
	}
	return errors.Join(work.wait(), b.await(200))
}

func (b *bench) checkBrings() error {
	if b.Bring == nil {
		return nil
	}
	for i := range 100 {
		b.Bring(endpointFrame(9, i))
	}
	for i := range b.peers {
		got := func() int { return len(b.peers[i].Frames()) }
		if !wait(func() bool { return got() >= 100 }) || got() != 100 {
			return fmt.Errorf("100 frames were brought, %d came", got())
		}
		for k, f := range b.peers[i].Frames() {
			if !bytes.Equal(f, endpointFrame(9, k)) {
				return fmt.Errorf("frame %d was not brought as it is, or out of order", k)
			}
		}
	}
	return b.await(0)
}

func (b *bench) checkStalls() error {
	if b.Stall == nil {
		return nil
	}
	b.Stall(true)
	const n = 4 * bus.DefaultQueue
	for i := range n {
		if !Send(b.others[0], endpointFrame(1, i)) {
			return fmt.Errorf("frame %d was held up by a far end that takes nothing", i)
		}
	}
	if got := len(b.peers[1].Frames()); got != n {
		return fmt.Errorf("another receiver got %d of %d frames", got, n)
	}
	b.Stall(false)
	if !wait(func() bool { return b.lab.Net.Stats().Queued == 0 }) {
		return fmt.Errorf("%d frames still wait though the far end takes again", b.lab.Net.Stats().Queued)
	}
	took := int(b.conn.Port().Stats().Received)
	return errors.Join(CheckBalance(b.lab.Net.Stats()), b.await(took))
}

func (b *bench) checkRemoved() error {
	Send(b.others[0], endpointFrame(1, 0))
	if err := b.await(1); err != nil {
		return err
	}
	port := b.conn.Port().Number()
	if err := b.lab.Net.RemovePort(port); err != nil {
		return err
	}
	if slices.Contains(b.lab.Net.Ports(), port) {
		return errors.New("the port is still there")
	}
	if b.Bring != nil {
		b.Bring(endpointFrame(9, 0))
	}
	Send(b.others[0], endpointFrame(1, 1))
	if n := len(b.peers[0].Frames()); n != 0 {
		return fmt.Errorf("%d frames were brought after the port had gone", n)
	}
	return b.await(1)
}

// guard stands between the bus and the endpoint and watches its claims.
type guard struct {
	bus.Endpoint
	over atomic.Pointer[string]
}

var _ bus.Endpoint = (*guard)(nil)

// Claim checks the answer.
func (g *guard) Claim(b *frame.Batch, i, j int) (int, uint64) {
	n, token := g.Endpoint.Claim(b, i, j)
	if n < 0 || n > j-i {
		text := fmt.Sprintf("offered %d frames, it claimed %d", j-i, n)
		g.over.Store(&text)
		n = max(0, min(n, j-i))
	}
	return n, token
}

func (g *guard) verdict() error {
	if text := g.over.Load(); text != nil {
		return errors.New(*text)
	}
	return nil
}
