package bus_test

import (
	"fmt"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

func number(t *testing.T, l *bustest.Lab) int {
	t.Helper()
	return l.Join(t, &bustest.Sink{}).Port().Number()
}

// The lowest free number is given, whatever became free in whatever order.
func TestLowestNumber(t *testing.T) {
	l := bustest.NewLab(t, directed)
	var conns []*bus.Conn
	for want := 1; want <= 5; want++ {
		c := l.Join(t, &bustest.Sink{})
		conns = append(conns, c)
		if got := c.Port().Number(); got != want {
			t.Fatalf("joined at %d, want %d", got, want)
		}
	}
	l.Leave(conns[3])
	l.Leave(conns[1])
	if got := number(t, l); got != 2 {
		t.Errorf("4 and 2 are free, joined at %d", got)
	}
	if _, err := l.Net.Reserve(6); err != nil {
		t.Fatal(err)
	}
	if got := number(t, l); got != 4 {
		t.Errorf("4 is free, joined at %d", got)
	}
	if got := number(t, l); got != 7 {
		t.Errorf("6 is reserved, joined at %d, want 7", got)
	}
	wantKind(t, "release 6", l.Net.RemovePort(6), 0)
	if got := number(t, l); got != 6 {
		t.Errorf("6 was released, joined at %d", got)
	}
	if got := fmt.Sprint(l.Net.Ports()); got != "[1 2 3 4 5 6 7]" {
		t.Errorf("ports are %s", got)
	}
}

func TestJoinByNumber(t *testing.T) {
	l := bustest.NewLab(t, directed)
	join := func(number int, uid uint32) error {
		c, err := l.Net.Join(&bustest.Sink{}, bus.JoinOptions{Number: number, Recv: true, Info: bus.Info{UID: uid}})
		if err == nil {
			t.Cleanup(c.Close)
			if c.Port().Number() != number {
				t.Errorf("joined at %d, asked for %d", c.Port().Number(), number)
			}
		}
		return err
	}
	wantKind(t, "neither there nor reserved", join(3, 1), fail.Unknown)
	wantKind(t, "number -1", join(-1, 1), fail.Unknown)
	_, err := l.Net.Reserve(3)
	wantKind(t, "reserve", err, 0)
	wantKind(t, "reserved", join(3, 1), 0)
	wantKind(t, "shared by its user", join(3, 1), 0)
	wantKind(t, "shared by another", join(3, 2), fail.Busy)
	wantKind(t, "not even by root", join(3, 0), fail.Busy)
	if n := len(l.Net.Port(3).Info().Conns); n != 2 {
		t.Errorf("port 3 has %d connections, want 2", n)
	}
}

func TestReserve(t *testing.T) {
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.MaxPorts = 10 })
	for _, c := range []struct {
		number int
		kind   fail.Kind
	}{{0, fail.Range}, {-1, fail.Range}, {11, fail.Range}, {10, 0}, {10, fail.Exists}, {2, 0}} {
		p, err := l.Net.Reserve(c.number)
		wantKind(t, fmt.Sprintf("reserve %d", c.number), err, c.kind)
		if err == nil && (p.Number() != c.number || !p.Info().Reserved || l.Net.Port(c.number) != p) {
			t.Errorf("reserved %d: it is %d, %+v", c.number, p.Number(), p.Info())
		}
	}
	c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Number: 2, Recv: true})
	_, err := l.Net.Reserve(2)
	wantKind(t, "reserve a connected port", err, fail.Exists)
	l.Leave(c)
	if l.Net.Port(2) == nil {
		t.Error("a reserved port ended with its connection")
	}
	wantKind(t, "remove", l.Net.RemovePort(2), 0)
	if l.Net.Port(2) != nil {
		t.Error("a removed reservation is still there")
	}
	wantKind(t, "remove again", l.Net.RemovePort(2), fail.Unknown)
	wantKind(t, "remove 0", l.Net.RemovePort(0), fail.Unknown)
	wantKind(t, "remove -5", l.Net.RemovePort(-5), fail.Unknown)
	wantKind(t, "remove what was never there", l.Net.RemovePort(1<<40), fail.Unknown)
}

// A reservation keeps what was set up for the port.
func TestReservationKeepsItsSettings(t *testing.T) {
	l := bustest.NewLab(t, directed)
	p, err := l.Net.Reserve(4)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "queue", p.SetQueue(2), 0)
	wantKind(t, "name", p.SetName("printer"), 0)
	sink := &bustest.Sink{}
	l.JoinAs(t, sink, bus.JoinOptions{Number: 4, Recv: true})
	from := l.Join(t, &bustest.Recorder{})
	for range 5 {
		bustest.Send(from, []byte("\x04x"))
	}
	if sink.Queued() != 2 || p.Info().Name != "printer" {
		t.Errorf("queued %d, name %q; want 2 and printer", sink.Queued(), p.Info().Name)
	}
}

func TestMaxPorts(t *testing.T) {
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.MaxPorts = 2 })
	a := l.Join(t, &bustest.Sink{})
	l.Join(t, &bustest.Sink{})
	_, err := l.Net.Join(&bustest.Sink{}, both)
	wantKind(t, "a third of 2", err, fail.NoPort)
	l.Leave(a)
	if got := number(t, l); got != 1 {
		t.Errorf("1 is free, joined at %d", got)
	}
}

func TestPortsOfTheMount(t *testing.T) {
	b := newBus(t, bus.Limits{Ports: 3, Networks: 2, Memory: 1 << 20})
	wantKind(t, "a", create(b, "a"), 0)
	wantKind(t, "b", create(b, "b"), 0)
	var conns []*bus.Conn
	join := func(name string) error {
		c, err := b.Network(name).Join(&bustest.Sink{}, both)
		if err == nil {
			conns = append(conns, c)
		}
		return err
	}
	wantKind(t, "1", join("a"), 0)
	wantKind(t, "2", join("b"), 0)
	_, err := b.Network("a").Reserve(7)
	wantKind(t, "3", err, 0)
	wantKind(t, "4", join("b"), fail.NoPort)
	_, err = b.Network("b").Reserve(7)
	wantKind(t, "4, reserved", err, fail.NoPort)
	if b.PortsUsed() != 3 {
		t.Errorf("%d ports are used, want 3", b.PortsUsed())
	}
	for _, c := range conns {
		c.Close()
	}
	wantKind(t, "release", b.Network("a").RemovePort(7), 0)
	if b.PortsUsed() != 0 {
		t.Errorf("%d ports are used, want 0", b.PortsUsed())
	}
	wantKind(t, "again", join("b"), 0)
	conns[len(conns)-1].Close()
}

// The endpoint must know its Conn before a frame can come.
func TestAttachComesFirst(t *testing.T) {
	l := bustest.NewLab(t, directed)
	ep := &bustest.Recorder{}
	c := l.Join(t, ep)
	if ep.Conn() != c || c.Network() != l.Net || !c.CanReceive() || !c.CanSend() || c.Gone() {
		t.Error("the connection is not the one attached, or not what was asked for")
	}
	refused := &bustest.Recorder{}
	_, err := l.Net.Join(refused, bus.JoinOptions{Number: 99})
	wantKind(t, "refused", err, fail.Unknown)
	if refused.Conn() != nil {
		t.Error("an endpoint that was refused was attached")
	}
}

func TestInfo(t *testing.T) {
	l := bustest.NewLab(t, directed)
	info := bus.Info{Kind: "port", UID: 7, GID: 8, PID: 9, Comm: "cat", Since: epoch}
	for rights, o := range map[string]bus.JoinOptions{
		"r": {Recv: true}, "w": {Send: true}, "rw": {Recv: true, Send: true},
	} {
		o.Info = info
		c, err := l.Net.Join(&bustest.Sink{}, o)
		if err != nil {
			t.Fatal(err)
		}
		got := c.Port().Info()
		if got.Reserved || len(got.Conns) != 1 || got.Conns[0].Rights() != rights || got.Conns[0].Info != info {
			t.Errorf("rights %s: info is %+v", rights, got)
		}
		c.Close()
	}
}

func TestJoinEvents(t *testing.T) {
	l := bustest.NewLab(t, directed)
	e := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(e), 0)
	c, err := l.Net.Join(&bustest.Sink{}, bus.JoinOptions{Recv: true, Info: bus.Info{Kind: "port", UID: 7, PID: 9, Comm: "a \"b"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	want := []string{
		`port-joined port=1 kind=port rights=r uid=7 pid=9 comm="a \"b"`, "counts readers=1 writers=0",
		"port-left port=1 kind=port reason=closed", "counts readers=0 writers=0",
	}
	if got := strings.Join(e.Lines(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("events are\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// Connections that share a port count as ports of the mount.
func TestSharedPortsCount(t *testing.T) {
	b := bus.New(bus.Limits{Ports: 3, Networks: 1, Memory: 1 << 20})
	n, err := b.Create("lan", hub, bus.Access{}, bus.Access{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Reserve(7); err != nil {
		t.Fatal(err)
	}
	var conns []*bus.Conn
	join := func() error {
		c, err := n.Join(&bustest.Sink{}, bus.JoinOptions{Number: 7, Recv: true})
		if err == nil {
			conns = append(conns, c)
		}
		return err
	}
	for range 3 {
		if err := join(); err != nil {
			t.Fatal(err)
		}
	}
	if err := join(); fail.KindOf(err) != fail.NoPort {
		t.Errorf("a fourth of 3 joined: %v", err)
	}
	conns[1].Close()
	if err := join(); err != nil {
		t.Errorf("one has left: %v", err)
	}
	if err := n.RemovePort(7); err != nil || b.PortsUsed() != 0 {
		t.Errorf("%d ports are used when all are gone: %v", b.PortsUsed(), err)
	}
	for _, c := range conns {
		c.Close()
	}
}

// The table of ports is charged, to who made the network: however many he has,
// others keep their part.
func TestPortTablesAreCharged(t *testing.T) {
	b := bus.New(bus.Limits{Ports: 1 << 20, Networks: 1000, Memory: 8 << 20})
	reserve := func(i int, uid uint32) error {
		n, err := b.Create(fmt.Sprint("n", i), hub, bus.Access{UID: uid}, bus.Access{UID: uid})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Change(func(s *bus.Settings) { s.MaxPorts = policy.MaxPorts }); err != nil {
			t.Fatal(err)
		}
		_, err = n.Reserve(policy.MaxPorts)
		return err
	}
	got := 0
	for i := range 100 {
		if err := reserve(i, 1234); err == nil {
			got++
		} else if fail.KindOf(err) != fail.NoSpace {
			t.Fatal(err)
		}
	}
	if used := b.Memory.Used(); got == 0 || used > 7<<20 {
		t.Errorf("one user got %d tables, %d bytes of 8 MiB", got, used)
	}
	if err := reserve(100, 65534); err != nil {
		t.Errorf("nothing is left for another: %v", err)
	}
	b.Shutdown()
	if used := b.Memory.Used(); used != 0 {
		t.Errorf("%d bytes are used when all networks have ended", used)
	}
}
