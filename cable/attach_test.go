package cable

import (
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
	"ipnfs/lane/lanetest"
)

// Names are the scheme's with a number, or given; of each there is one.
func TestNames(t *testing.T) {
	l := newLab(t)
	want := func(command, name string) *cable {
		t.Helper()
		c, _ := l.lay(command)
		if c.name != name || c.info.Detail != name {
			t.Errorf("%s is called %q, its port tells %q, want %q", command, c.name, c.info.Detail, name)
		}
		return c
	}
	first := want("fake://a", "fake0")
	want("fake://a", "fake1")
	want("run://a", "run0")
	want("fake://a name=fake2", "fake2")
	want("fake://a", "fake3")
	want("fake://a name=lab", "lab")
	if err := (attacher{}).Attach(l.Net, self(t), "fake://b name=lab"); fail.KindOf(err) != fail.Exists {
		t.Errorf("a name that is taken: %v", err)
	}
	if f := <-opened; f.closed.Load() != 1 || f.dialed.Load() != 0 {
		t.Error("the dialer of what is refused is not closed, or was used")
	}
	if err := (attacher{}).Detach(l.Net, self(t), first.name); err != nil {
		t.Error(err)
	}
	want("fake://a", "fake0")
}

// What is refused leaves nothing behind.
func TestRefused(t *testing.T) {
	l := newLab(t)
	before, used := len(lanetest.OpenFiles(t)), l.Net.Memory().Used()
	unknown, strange := self(t), self(t)
	unknown.Rights.Known = false
	strange.Rights.Thread = 1 << 30
	for what, c := range map[string]struct {
		by      bus.Caller
		command string
		kind    fail.Kind
	}{
		"no command":                      {self(t), "fake://", fail.Invalid},
		"no rights are known":             {unknown, "fake://x", fail.Denied},
		"a thread that has gone":          {strange, "fake://x", fail.Unknown},
		"the scheme says no":              {self(t), "fake://refused", fail.Denied},
		"a port that is held":             {self(t), "fake://x port=1", fail.Busy},
		"a port that cannot be":           {self(t), "fake://x port=5000", fail.Range},
		"no setting of the policy":        {self(t), "fake://x vlan=5", fail.Invalid},
		"an option that is no such thing": {self(t), "fake://x colour=red", fail.Invalid},
	} {
		err := (attacher{}).Attach(l.Net, c.by, c.command)
		if fail.KindOf(err) != c.kind {
			t.Errorf("%s: %v (kind %d)", what, err, fail.KindOf(err))
		}
		select {
		case f := <-opened:
			if f.closed.Load() != 1 || f.dialed.Load() != 0 {
				t.Errorf("%s: the dialer is not closed, or was used", what)
			}
		default:
		}
	}
	if refund := lanetest.Exhaust(l.Net.Memory()); true {
		if err := (attacher{}).Attach(l.Net, self(t), "fake://x"); fail.KindOf(err) != fail.NoMemory {
			t.Errorf("without memory: %v", err)
		}
		<-opened
		refund()
	}
	lanetest.WantOpen(t, before)
	if got := l.Net.Memory().Used(); got != used || len(l.Net.Ports()) != 1 || l.list() != "" || len(registry.lists[l.Net]) != 0 || len(registry.sides) != 0 {
		t.Errorf("%d bytes, before %d; ports %v; %q", got, used, l.Net.Ports(), l.list())
	}
}

// Who laid a cable takes it off, and root, but nobody else.
func TestDetach(t *testing.T) {
	l := newLab(t)
	if err := (attacher{}).Detach(l.Net, self(t), "fake0"); fail.KindOf(err) != fail.Unknown || !strings.Contains(err.Error(), "nor any other") {
		t.Errorf("nothing is there: %v", err)
	}
	c, f, far := l.layUp("fake://x")
	other := self(t)
	other.UID++
	if err := (attacher{}).Detach(l.Net, other, "fake0"); fail.KindOf(err) != fail.Denied {
		t.Errorf("another user: %v", err)
	}
	if err := (attacher{}).Detach(l.Net, self(t), "fake1"); fail.KindOf(err) != fail.Unknown || !strings.Contains(err.Error(), "there is fake0") {
		t.Errorf("another name: %v", err)
	}
	if err := (attacher{}).Detach(l.Net, self(t), "fake0 x"); fail.KindOf(err) != fail.Invalid {
		t.Errorf("an option: %v", err)
	}
	if err := (attacher{}).Detach(l.Net, self(t), c.name); err != nil {
		t.Fatal(err)
	}
	l.gone(c, f)
	if !far.Closed() || len(l.Net.Ports()) != 1 || l.list() != "" {
		t.Errorf("closed: %v, ports %v, %q", far.Closed(), l.Net.Ports(), l.list())
	}
}

func TestList(t *testing.T) {
	l := newLab(t)
	l.lay("fake://one name=a")
	_, f, _ := l.layUp("fake://two?key=v%26 port=9 group=g mtu=1000", func(k *Link) { k.MaxLen = 1400 })
	broken, g := l.lay("run://do it name=c")
	g.next <- answer{err: errFake}
	l.await(broken, "down")
	lines := strings.Split(l.list(), "\n")
	for i, words := range [][]string{
		{"a port=2 state=connecting since=", " retries=0 mtu=65535 in=0 out=0 dropped=0 netns=", " fake://one"},
		{"fake0 port=9 state=up peer=\"far end\" since=", " mtu=1000 ", " group=g netns=", " fake://two?key=v%26"},
		{"c port=3 state=down reason=\"the peer talks nonsense\" since=", " run://do%20it"},
	} {
		for _, w := range words {
			if !strings.Contains(lines[i], w) {
				t.Errorf("there is no %q in %q", w, lines[i])
			}
		}
	}
	f.plug.Load().SetMaxLen(900)
	f.plug.Load().SetPeer("other")
	if line := strings.Split(l.list(), "\n")[1]; !strings.Contains(line, "mtu=900 ") || !strings.Contains(line, "peer=other ") {
		t.Errorf("it shows %q", line)
	}
	f.plug.Load().SetMaxLen(0)
	if line := strings.Split(l.list(), "\n")[1]; !strings.Contains(line, "mtu=1000 ") {
		t.Errorf("it shows %q", line)
	}
}

// What Save says lays the same cables again.
func TestSave(t *testing.T) {
	l := newLab(t)
	for _, command := range []string{"fake://x name=one", "run://a  b? c%25 name%3Dx port=7 group=g mtu=900", "fake://y?k=a%20b"} {
		l.lay(command)
	}
	saved := attacher{}.Save(l.Net)
	again := newLab(t)
	for _, command := range saved {
		again.lay(command)
	}
	if twice := (attacher{}).Save(again.Net); len(twice) != 3 || strings.Join(saved, "\n") != strings.Join(twice, "\n") {
		t.Errorf("saved %q, and again %q", saved, twice)
	}
	if saved[1] != "run://a%20%20b%3F%20c%25%20name=x port=7 name=run0 group=g mtu=900" {
		t.Errorf("saved %q", saved[1])
	}
}

// What root laid in a container, or with fewer rights, is not what root lays anywhere.
func TestSaveConfined(t *testing.T) {
	l := newLab(t)
	c, _ := l.lay("fake://x")
	for what, confine := range map[string]func(*Origin){
		"another root directory": func(o *Origin) { o.root = 0 },
		"no capabilities":        func(o *Origin) { o.By.Rights.Effective = 0 },
	} {
		o := &Origin{By: c.origin.By, ns: c.origin.ns, root: -1}
		confine(o)
		confined := &cable{net: c.net, end: c.end, name: c.name, origin: o}
		if o.By.UID == 0 && confined.save(map[netns.ID]string{o.ns.ID(): ""}) != "" {
			t.Errorf("%s: it is saved", what)
		}
	}
}

// Tell comes to who reads errors, as of the cable's file and command.
func TestTell(t *testing.T) {
	b := bus.New(bus.DefaultLimits())
	var told []string
	b.Told = func(_ *bus.Network, by bus.Info, what string, err error) {
		told = append(told, by.Kind+" "+what+": "+err.Error())
	}
	n, err := b.Create("lab", "bustest-hub", bus.Access{Mode: 0o755}, bus.Access{Mode: 0o744})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Shutdown()
	l := &lab{Lab: &bustest.Lab{Bus: b, Net: n}, t: t}
	c, f, _ := l.layUp("fake://x?k=1")
	f.plug.Load().Tell(errFake)
	if len(told) != 1 || told[0] != "cable fake://x?k=1: the peer talks nonsense" {
		t.Errorf("told %q", told)
	}
	c.finish(nil)
}
