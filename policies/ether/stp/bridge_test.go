package stp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// recorder is an Output that remembers.
type recorder struct {
	calls  []string // all, in order
	sent   map[int][]bpdu
	states map[int]State
	quiet  bool // remember nothing, and so allocate nothing
}

func newRecorder() *recorder {
	return &recorder{sent: map[int][]bpdu{}, states: map[int]State{}}
}

func (r *recorder) Send(port int, frame []byte) {
	if r.quiet {
		return
	}
	m, ok := decode(frame)
	// A configuration BPDU that is too old says that the root is gone.
	old := kind(frame[bpduStart+3]) == configBPDU && frame[bpduStart+27] >= frame[bpduStart+29]
	if ok == old || len(frame) != 60 || !IsBPDU(frame) || [6]byte(frame[6:]) != testMAC {
		panic(fmt.Sprintf("sends %x", frame))
	}
	r.sent[port] = append(r.sent[port], m)
	r.calls = append(r.calls, fmt.Sprintf("send %d %#02x", port, m.flags))
}

func (r *recorder) SetState(port int, s State) {
	if !r.quiet {
		r.states[port] = s
		r.calls = append(r.calls, fmt.Sprintf("%v %d", s, port))
	}
}

func (r *recorder) Flush(port int) {
	if !r.quiet {
		r.calls = append(r.calls, fmt.Sprintf("flush %d", port))
	}
}

func (r *recorder) Event(name string, port int, detail string) {
	r.calls = append(r.calls, fmt.Sprintf("event %s %d", name, port))
}

// take returns the calls so far whose names begin with one of those words, and
// forgets all.
func (r *recorder) take(words ...string) string {
	var list []string
	for _, c := range r.calls {
		if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(c, w) }) {
			list = append(list, c)
		}
	}
	r.calls = nil
	return strings.Join(list, ", ")
}

// lab is one bridge, and the test plays its neighbours.
type lab struct {
	*testing.T
	*recorder
	*Bridge
}

// newLab makes a bridge of priority 32768 with ports 1 to n.
func newLab(t *testing.T, n int, cfg PortConfig) *lab {
	t.Helper()
	r := newRecorder()
	b, err := New(Config{Priority: DefaultPriority, MAC: testMAC}, r)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t, r, b}
	for i := range n {
		l.ok(b.AddPort(i+1, cfg))
	}
	return l
}

func (l *lab) ok(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *lab) ticks(n int) {
	for range n {
		l.Tick()
	}
	checkBridge(l, l.Bridge)
}

// hear lets a BPDU arrive.
func (l *lab) hear(port int, m bpdu) {
	l.Helper()
	var frame [frameSize]byte
	if m.kind == configBPDU {
		m.flags &^= roleMask
	}
	m.encode(&frame, [6]byte{2, 0, 0, 0, 0, 9})
	l.Receive(port, frame[:])
	checkBridge(l, l.Bridge)
}

// port fails unless the port has that role and state.
func (l *lab) port(n int, role Role, state State) {
	l.Helper()
	if st, _ := l.PortStatus(n); st.Role != role || st.State != state || l.states[n] != state {
		l.Errorf("port %d is %v and %v, said %v; want %v and %v", n, st.Role, st.State, l.states[n], role, state)
	}
}

// want fails unless got is that.
func (l *lab) want(what, got, want string) {
	l.Helper()
	if got != want {
		l.Errorf("%s:\n%s, want\n%s", what, got, want)
	}
}

// better is what a bridge says that is the root and better than that of a lab.
func better(flags uint8) bpdu {
	id := BridgeID(0x1000_020000000009)
	return bpdu{rstBPDU, flags | roleDesignated, vector{id, 0, id, 0x8001}, times{0, 20, 2, 15}}
}

// reply is what a root port says at the other end of a designated port.
func (l *lab) reply(port int, flags uint8) bpdu {
	st := l.Bridge.Status()
	return bpdu{rstBPDU, flags | roleRoot, vector{st.RootID, st.RootCost + 20000, 0xf000_020000000009, 0x8001}, times{1, 20, 2, 15}}
}

var link = PortConfig{PointToPoint: true, Priority: DefaultPortPriority}

func TestFirstBPDU(t *testing.T) {
	l := newLab(t, 1, link)
	l.port(1, Designated, Discarding)
	l.want("the first calls", l.take(""), "discarding 1, flush 1, send 1 0x0e")
	want := bpdu{rstBPDU, flagProposal | roleDesignated, vector{0x8000525400123456, 0, 0x8000525400123456, 0x8001}, times{0, 20, 2, 15}}
	if got := l.sent[1][0]; got != want {
		t.Errorf("sends %+v, want %+v", got, want)
	}
	l.hear(1, l.reply(1, flagAgreement))
	l.port(1, Designated, Forwarding)
}

func TestHello(t *testing.T) {
	l := newLab(t, 2, link)
	l.hear(2, better(0))
	l.ticks(4)
	clear(l.sent)
	for range 7 {
		l.hear(2, better(0))
		l.ticks(2)
	}
	if a, b := len(l.sent[1]), len(l.sent[2]); a != 7 || b != 0 {
		t.Errorf("in 14 s the designated port sent %d hellos, the root port %d", a, b)
	}
}

// 17.13.12: so many at once, and then one a second.
func TestTxHoldCount(t *testing.T) {
	l := newLab(t, 2, link)
	l.ticks(10)
	clear(l.sent)
	for i := range 20 {
		m := better(0)
		m.vector.cost = uint32(100 - i)
		l.hear(2, m)
	}
	if n := len(l.sent[1]); n < DefaultTxHoldCount-1 || n > DefaultTxHoldCount {
		t.Errorf("%d at once", n)
	}
	before := len(l.sent[1])
	l.ticks(1)
	if n := len(l.sent[1]) - before; n != 1 {
		t.Errorf("%d a second later", n)
	}
}

// 17.21.23: information lasts three hello times of who sent it, or not at all
// if it came too far.
func TestAgeing(t *testing.T) {
	l := newLab(t, 1, link)
	l.hear(1, better(0))
	l.port(1, Root, Forwarding)
	if st := l.Bridge.Status(); st.RootID != better(0).vector.root || st.RootCost != 20000 || st.RootPort != 1 {
		t.Errorf("%+v", st)
	}
	l.take()
	l.ticks(5)
	l.port(1, Root, Forwarding)
	l.ticks(1)
	l.port(1, Designated, Discarding)
	l.want("events", l.take("event"), "event root 0")

	far := better(0)
	far.times.age = 20
	l.hear(1, far)
	l.port(1, Designated, Discarding)
	far.times.age = 19
	l.hear(1, far)
	l.port(1, Root, Forwarding)
}

// The age grows by one a bridge.
func TestMessageAge(t *testing.T) {
	l := newLab(t, 2, link)
	m := better(0)
	m.times.age = 7
	l.hear(1, m)
	if got := l.sent[2][len(l.sent[2])-1]; got.times.age != 8 || got.vector.cost != 20000 {
		t.Errorf("passes on %v", show(&got))
	}
}

// 17.10: who agrees to a proposal has first blocked what could be a loop.
func TestProposal(t *testing.T) {
	l := newLab(t, 3, link)
	edge := link
	edge.AdminEdge = true
	l.ok(l.AddPort(4, edge))
	l.hear(2, l.reply(2, flagAgreement))
	l.port(2, Designated, Forwarding)
	l.take()
	// What was agreed to holds for something better, too: port 2 may stay.
	l.hear(1, better(flagProposal))
	l.want("a better root", l.take("d", "l", "forw", "send 1"), "learning 1, forwarding 1, send 1 0x79")
	l.port(2, Designated, Forwarding)
	l.ticks(inFlight)
	l.take()
	// Something worse needs an agreement anew.
	worse := better(flagProposal)
	worse.vector.cost = 5000
	l.hear(1, worse)
	l.want("a longer way", l.take("d", "l", "forw", "send 1"), "discarding 2, send 1 0x79")
	l.port(4, Designated, Forwarding)
	if m := l.sent[2][len(l.sent[2])-1]; m.flags&flagProposal == 0 {
		t.Errorf("port 2 does not propose: %v", show(&m))
	}
	l.hear(2, l.reply(2, flagAgreement))
	l.port(2, Designated, Forwarding)
}

// A blocked port that is proposed to has the others blocked as well, before it
// agrees.
func TestProposalToAlternate(t *testing.T) {
	l := newLab(t, 3, link)
	l.hear(1, better(0))
	for range 11 {
		l.ticks(2)
		l.hear(1, better(0))
	}
	m := better(0)
	m.vector.cost = 1000
	l.hear(1, m) // nobody agreed to that
	l.port(2, Designated, Forwarding)
	l.take()
	m.flags |= flagProposal
	m.vector.bridge = 0x1000_020000000007
	m.vector.cost = 15000
	l.hear(3, m)
	l.port(3, Alternate, Discarding)
	l.want("calls", l.take("d", "send 3"), "discarding 3, discarding 2, send 3 0x44")
}

// Of two ports on one LAN the better one becomes the root port. If it was the
// backup of the other, it waits: the other's frames may be on their way.
func TestRootOfTwo(t *testing.T) {
	l := newLab(t, 3, PortConfig{})
	l.hear(3, better(0))
	l.hear(2, better(0))
	l.port(2, Root, Forwarding)
	l.port(3, Alternate, Discarding)

	l = newLab(t, 1, PortConfig{})
	l.ok(l.AddPort(2, PortConfig{Cost: 1}))
	l.hear(2, l.sent[1][0])
	l.port(2, Backup, Discarding)
	l.ticks(1)
	l.hear(1, better(0))
	l.hear(2, better(0))
	l.port(1, Alternate, Discarding)
	l.port(2, Root, Discarding)
	l.ticks(3)
	l.port(2, Root, Learning)
	l.ticks(1)
	l.port(2, Root, Forwarding)
}

// A root port among STP bridges gives way to a new one at once.
func TestRerootFromSTP(t *testing.T) {
	l := newLab(t, 1, link)
	l.ticks(3)
	old := better(0)
	old.kind = configBPDU
	old.vector.cost = 1000
	for range 20 {
		l.hear(1, old)
		l.ticks(2)
	}
	l.port(1, Root, Forwarding)
	l.ok(l.AddPort(2, link))
	l.take()
	m := better(0)
	m.vector = vector{0, 0, 0, 0x8001}
	l.hear(2, m)
	l.want("calls", l.take("d", "forw"), "discarding 1, forwarding 2")
}

// A bridge that is told to be an STP bridge takes its time.
func TestForceSTP(t *testing.T) {
	l := newLab(t, 0, link)
	l.ok(l.Configure(Config{Priority: DefaultPriority, MAC: testMAC, ForceSTP: true}))
	l.ok(l.AddPort(1, link))
	l.ok(l.AddPort(2, link))
	l.hear(2, l.reply(2, flagAgreement))
	l.port(2, Designated, Discarding)
	l.hear(1, better(0))
	l.port(1, Root, Discarding)
}

// On a LAN that may have more than two bridges, agreements count for nothing.
func TestSharedLAN(t *testing.T) {
	shared := link
	shared.PointToPoint = false
	l := newLab(t, 1, shared)
	l.hear(1, l.reply(1, flagAgreement))
	l.port(1, Designated, Discarding)
}

// An agreement to what the port said before something better, and then worse,
// is not believed for a while.
func TestStaleAgreement(t *testing.T) {
	l := newLab(t, 2, link)
	l.ticks(1)
	stale := l.reply(2, flagAgreement)
	l.hear(1, better(0))
	gone := better(0)
	gone.vector = vector{0xf000_020000000009, 0, 0xf000_020000000009, 0x8001}
	l.hear(1, gone) // that bridge lost its root
	l.hear(2, stale)
	l.port(2, Designated, Discarding)
	l.ticks(inFlight)
	l.hear(2, l.reply(2, flagAgreement))
	l.port(2, Designated, Forwarding)
}

// Who was the root port forwards on as a designated port only if the neighbour
// agrees.
func TestFormerRootPort(t *testing.T) {
	l := newLab(t, 1, link)
	l.hear(1, better(0))
	l.port(1, Root, Forwarding)
	l.ok(l.Configure(Config{Priority: 0, MAC: testMAC}))
	l.port(1, Designated, Discarding)
	l.hear(1, l.reply(1, flagAgreement))
	l.port(1, Designated, Forwarding)
}

// 17.21.10: somebody worse claims to be designated and forwards.
func TestDispute(t *testing.T) {
	l := newLab(t, 1, link)
	l.hear(1, l.reply(1, flagAgreement))
	l.port(1, Designated, Forwarding)
	worse := better(0)
	worse.vector = vector{0xf000_020000000009, 0, 0xf000_020000000009, 0x8001}
	l.hear(1, worse)
	l.port(1, Designated, Forwarding)
	worse.flags |= flagLearning
	l.hear(1, worse)
	l.port(1, Designated, Discarding)
}

// A port that is down, or a frame that is no good BPDU, changes nothing.
func TestIgnored(t *testing.T) {
	l := newLab(t, 1, link)
	before := l.Bridge.Status()
	l.Receive(1, nil)
	l.Receive(1, frameOf(t, "0800 4500"))
	l.Receive(1, frameOf(t, "0027 424203 0001"))
	if st, _ := l.PortStatus(1); st.Received != 1 || st.Invalid != 1 {
		t.Errorf("%+v", st)
	}
	l.EnablePort(1, false)
	l.hear(1, better(0))
	if l.Bridge.Status() != before {
		t.Errorf("%+v", l.Bridge.Status())
	}
}

// Hellos, sent or received, cost no allocation.
func TestAllocs(t *testing.T) {
	l := newLab(t, 20, link)
	l.hear(1, better(0))
	l.quiet = true
	frame := frameOf(t, "0027 424203 0000 02 02 3c 1000020000000009 00000000 1000020000000009 8001 0000 1400 0200 0f00 00")
	if n := testing.AllocsPerRun(100, func() {
		l.Receive(1, frame)
		l.Tick()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	l.port(1, Root, Forwarding)
}
