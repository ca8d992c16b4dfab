package stp

import "testing"

// 17.20.4, 17.25: edges forward at once, and whoever hears no BPDU is one.
func TestEdge(t *testing.T) {
	l := newLab(t, 0, link)
	admin, auto := link, link
	admin.AdminEdge, auto.AutoEdge = true, true
	l.ok(l.AddPort(1, admin))
	l.port(1, Designated, Forwarding)
	l.ok(l.AddPort(2, auto))
	l.ok(l.AddPort(3, link))
	l.ticks(2)
	l.port(2, Designated, Discarding)
	l.ticks(1)
	l.port(2, Designated, Forwarding)
	l.port(3, Designated, Discarding)
	if st, _ := l.PortStatus(2); !st.Edge || l.Bridge.Status().TopologyChanges != 0 {
		t.Errorf("edge %v, %d topology changes", st.Edge, l.Bridge.Status().TopologyChanges)
	}
	// A BPDU ends it. The port goes on forwarding, as nobody objects, but now
	// that is a topology change.
	l.take()
	l.hear(1, l.reply(1, 0))
	l.port(1, Designated, Forwarding)
	if st, _ := l.PortStatus(1); st.Edge {
		t.Error("still an edge")
	}
	l.want("events", l.take("event"), "event topology-change 1")
	// A better bridge at an edge makes it the root port.
	l.hear(2, better(0))
	l.port(2, Root, Forwarding)
	// A new link is an edge as the settings say.
	for _, n := range []int{1, 2} {
		l.EnablePort(n, false)
		l.EnablePort(n, true)
	}
	l.port(1, Designated, Forwarding)
	l.port(2, Designated, Discarding)
	// So is a port with other settings.
	l.ok(l.ConfigurePort(2, admin))
	l.port(2, Designated, Forwarding)
	l.ok(l.ConfigurePort(2, link))
	if st, _ := l.PortStatus(2); st.Edge {
		t.Error("an edge, by settings of before")
	}
}

// Where several bridges may be, it takes longer to know that there is none.
func TestEdgeOfSharedLAN(t *testing.T) {
	l := newLab(t, 1, PortConfig{AutoEdge: true})
	l.ticks(19)
	l.port(1, Designated, Discarding)
	l.ticks(1)
	l.port(1, Designated, Forwarding)
}

// Without an edge and without an answer it takes MaxAge and a hello time; if
// another bridge is silent, it is STP.
func TestNoAnswer(t *testing.T) {
	for _, c := range []struct {
		force    bool
		learning int
		forward  int
	}{{false, 20, 22}, {true, 20, 35}} {
		l := newLab(t, 0, link)
		l.ok(l.Configure(Config{Priority: DefaultPriority, MAC: testMAC, ForceSTP: c.force}))
		port := link
		port.AutoEdge = c.force // which STP knows nothing of
		l.ok(l.AddPort(1, port))
		l.ticks(c.learning - 1)
		l.port(1, Designated, Discarding)
		l.ticks(1)
		l.port(1, Designated, Learning)
		l.ticks(c.forward - c.learning - 1)
		l.port(1, Designated, Learning)
		l.ticks(1)
		l.port(1, Designated, Forwarding)
		for _, m := range l.sent[1] {
			if (m.kind == configBPDU) != c.force {
				t.Fatalf("force %v: sends %v", c.force, show(&m))
			}
		}
	}
}

func TestGuard(t *testing.T) {
	guarded := link
	guarded.Guard, guarded.AdminEdge = true, true
	for name, again := range map[string]func(l *lab){
		"configured": func(l *lab) { l.ok(l.ConfigurePort(1, guarded)) },
		"enabled":    func(l *lab) { l.EnablePort(1, true) },
	} {
		l := newLab(t, 1, guarded)
		l.port(1, Designated, Forwarding)
		l.take()
		l.hear(1, better(0))
		l.port(1, Disabled, Discarding)
		l.want("calls", l.take(""), "event bpdu-guard 1, discarding 1, flush 1")
		l.ticks(100)
		l.hear(1, better(0))
		l.port(1, Disabled, Discarding)
		l.want("calls", l.take(""), "")
		if st, _ := l.PortStatus(1); !st.Guarded || st.Enabled || st.Received != 2 {
			t.Errorf("%+v", st)
		}
		again(l)
		l.port(1, Designated, Forwarding)
		if st, _ := l.PortStatus(1); st.Guarded || !st.Enabled {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

func TestRootGuard(t *testing.T) {
	guarded := link
	guarded.RootGuard = true
	l := newLab(t, 1, guarded)
	l.hear(1, better(0))
	l.port(1, Alternate, Discarding)
	l.ticks(6)
	l.port(1, Designated, Discarding)
	l.hear(1, better(0))
	l.ok(l.ConfigurePort(1, link))
	l.port(1, Root, Forwarding)
}

// 17.24: a port speaks STP to who speaks STP, and RSTP to who speaks RSTP.
func TestMigration(t *testing.T) {
	l := newLab(t, 1, link)
	stp := func() bool {
		st, _ := l.PortStatus(1)
		return st.STP
	}
	worse := better(0)
	worse.kind = configBPDU
	worse.vector = vector{0xf000_020000000009, 0, 0xf000_020000000009, 0x8001}
	l.ticks(2)
	l.hear(1, worse)
	if stp() {
		t.Error("fell back at once")
	}
	l.ticks(1)
	if stp() {
		t.Error("fell back for what it heard in the beginning")
	}
	l.hear(1, worse)
	if !stp() {
		t.Error("did not fall back")
	}
	l.hear(1, l.reply(1, 0))
	if !stp() {
		t.Error("came back at once")
	}
	l.hear(1, worse)
	l.ticks(4)
	if m := l.sent[1][len(l.sent[1])-1]; m.kind != configBPDU {
		t.Errorf("sends %v", show(&m))
	}
	l.hear(1, l.reply(1, 0))
	if stp() {
		t.Error("did not come back")
	}
}

func TestConfigure(t *testing.T) {
	l := newLab(t, 1, link)
	l.hear(1, better(0))
	l.port(1, Root, Forwarding)
	cfg := Config{Priority: DefaultPriority, MAC: testMAC}
	for _, c := range []struct {
		what   string
		change func()
		role   Role
	}{
		{"times", func() { cfg.HelloTime = 1 }, Root},
		{"hold count", func() { cfg.TxHoldCount = 10 }, Root},
		{"lower priority", func() { cfg.Priority = 61440 }, Root},
		{"system id", func() { cfg.SystemIDExt = 7 }, Designated},
		{"protocol", func() { cfg.ForceSTP = true }, Designated},
	} {
		l.hear(1, better(0))
		c.change()
		l.ok(l.Configure(cfg))
		checkBridge(t, l.Bridge)
		if st, _ := l.PortStatus(1); st.Role != c.role {
			t.Errorf("%s: %v", c.what, st.Role)
		}
		if st := l.Bridge.Status(); st.BridgeID != makeBridgeID(cfg) {
			t.Errorf("%s: bridge id %v", c.what, st.BridgeID)
		}
	}
	if st, _ := l.PortStatus(1); !st.STP {
		t.Error("does not talk STP")
	}
	before := l.Bridge.Status()
	if l.Configure(Config{MaxAge: 1}) == nil || l.Bridge.Status() != before {
		t.Error("a bad Config was taken")
	}
}

func TestPorts(t *testing.T) {
	l := newLab(t, 1, link)
	for _, err := range []error{
		l.AddPort(0, link), l.AddPort(-1, link), l.AddPort(MaxPort+1, link), l.AddPort(65536, link),
		l.AddPort(1, link), l.AddPort(2, PortConfig{Priority: 1}),
		l.ConfigurePort(2, link), l.ConfigurePort(1, PortConfig{Priority: 1}),
	} {
		if err == nil {
			t.Error("no error")
		}
	}
	l.ok(l.AddPort(MaxPort, link))
	if id := l.sent[MaxPort][0].vector.port; id != 0x8fff {
		t.Errorf("port id %v", id)
	}
	// Nothing happens to ports that are not known.
	l.take()
	l.RemovePort(7)
	l.EnablePort(7, true)
	l.Receive(7, frameOf(t, bpdus[2].hex))
	if _, ok := l.PortStatus(7); ok || len(l.calls) > 0 {
		t.Error("port 7 is known")
	}
	// The root port goes.
	l.hear(1, better(0))
	l.RemovePort(1)
	checkBridge(t, l.Bridge)
	if st := l.Bridge.Status(); st.RootID != st.BridgeID {
		t.Errorf("%+v", st)
	}
	l.EnablePort(MaxPort, false)
	l.port(MaxPort, Disabled, Discarding)
	l.RemovePort(MaxPort)
	l.ticks(1)
}

// The settings of the root go through the tree at once.
func TestRootTimes(t *testing.T) {
	l := newLab(t, 2, link)
	last := func(n int) bpdu { return l.sent[n][len(l.sent[n])-1] }
	l.ok(l.Configure(Config{Priority: DefaultPriority, MAC: testMAC, MaxAge: 10, HelloTime: 1}))
	if m := last(2); m.times != (times{0, 10, 1, 15}) {
		t.Errorf("sends %+v", m.times)
	}
	l.hear(1, better(0))
	m := better(0)
	m.times = times{0, 30, 2, 20}
	l.hear(1, m)
	if st := l.Bridge.Status(); st.MaxAge != 30 || st.ForwardDelay != 20 {
		t.Errorf("%+v", st)
	}
	// But a bridge sends hellos at its own pace, and says so.
	if m := last(2); m.times != (times{1, 30, 1, 20}) {
		t.Errorf("passes on %+v", m.times)
	}
}

// A lower TxHoldCount holds for what was sent before.
func TestTxHoldCountLowered(t *testing.T) {
	l := newLab(t, 2, link)
	for i := range 20 {
		m := better(0)
		m.vector.cost = uint32(100 - i)
		l.hear(1, m)
	}
	l.ok(l.Configure(Config{Priority: DefaultPriority, MAC: testMAC, TxHoldCount: 1}))
	checkBridge(t, l.Bridge)
}
