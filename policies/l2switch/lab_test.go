package l2switch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// lab is a switch with stations at its ports. Its clock is what the test
// says.
type lab struct {
	*bustest.Lab
	tb       testing.TB
	now      time.Time
	stations []*station // in the order in which they joined
}

// newLab makes a switch by its specification, with n stations at ports 1 to n.
func newLab(tb testing.TB, spec string, n int) *lab {
	tb.Helper()
	l := &lab{Lab: bustest.NewLab(tb, spec), tb: tb, now: time.Now()}
	for range n {
		l.join(bus.JoinOptions{})
	}
	return l
}

// join adds a station. What has no kind is a "port", as a file's.
func (l *lab) join(o bus.JoinOptions) *station {
	l.tb.Helper()
	s := &station{tb: l.tb}
	o.Recv, o.Send = true, true
	if o.Info.Kind == "" {
		o.Info.Kind = "port"
	}
	c, err := l.Net.Join(s, o)
	if err != nil {
		l.tb.Fatal(err)
	}
	s.conn = c
	s.mac = macOf(c.Port().Number())
	l.tb.Cleanup(c.Close)
	l.stations = append(l.stations, s)
	return s
}

// silent is an endpoint that takes all frames and keeps none.
type silent struct{ bustest.Recorder }

// Emit forgets.
func (*silent) Emit(*frame.Batch, int, int, uint64) {}

// joinSilent adds a port behind which nobody remembers anything.
func (l *lab) joinSilent() {
	l.tb.Helper()
	c, err := l.Net.Join(&silent{}, bus.JoinOptions{Recv: true, Send: true, Info: bus.Info{Kind: "port"}})
	if err != nil {
		l.tb.Fatal(err)
	}
	l.tb.Cleanup(c.Close)
	l.stations = append(l.stations, &station{tb: l.tb, conn: c, mac: macOf(c.Port().Number())})
}

// at is the station that joined as the n-th, from 1.
func (l *lab) at(n int) *station { return l.stations[n-1] }

// tick lets seconds pass, one by one.
func (l *lab) tick(seconds int) {
	for range seconds {
		l.now = l.now.Add(time.Second)
		l.Bus.Tick(l.now)
	}
}

// value is a table or knob; one of a port has its number in front: 3/pvid.
// set is nil if it is read only.
type value struct {
	name  string
	table bool
	get   func() string
	set   func(string) error
}

// values lists what the switch has to read and write, as a tree would find it.
func values(n *bus.Network) (list []value) {
	add := func(use func(func(policy.Policy) error) error, v value) {
		get, set := v.get, v.set
		v.get = func() (text string) {
			_ = use(func(policy.Policy) error { text = get(); return nil })
			return text
		}
		if set != nil {
			v.set = func(text string) error { return use(func(policy.Policy) error { return set(text) }) }
		}
		list = append(list, v)
	}
	p := n.Policy().(*Switch)
	for _, t := range p.Tables() {
		add(n.UsePolicy, value{t.Name, true, t.Read, t.Write})
	}
	for _, k := range p.Knobs() {
		add(n.UsePolicy, value{k.Name, false, k.Get, k.Set})
	}
	for _, number := range n.Ports() {
		port := n.Port(number)
		if port == nil { // it left meanwhile
			continue
		}
		for _, k := range p.PortKnobs() {
			add(port.UsePolicy, value{fmt.Sprintf("%d/%s", number, k.Name), false,
				func() string { return k.Get(port) },
				func(text string) error { return k.Set(port, text) }})
		}
	}
	return list
}

func find(tb testing.TB, n *bus.Network, name string) value {
	tb.Helper()
	list := values(n)
	i := slices.IndexFunc(list, func(v value) bool { return v.name == name })
	if i < 0 {
		tb.Fatalf("the switch has no table or knob %s", name)
	}
	return list[i]
}

// get reads a table or knob: vlan, fdb, 3/pvid.
func (l *lab) get(name string) string {
	l.tb.Helper()
	return find(l.tb, l.Net, name).get()
}

// try writes a table or knob.
func (l *lab) try(name, text string) error {
	l.tb.Helper()
	return find(l.tb, l.Net, name).set(text)
}

// set writes tables or knobs, NAME=TEXT each, which must not be refused.
func (l *lab) set(settings ...string) {
	l.tb.Helper()
	for _, s := range settings {
		name, text := cut(s)
		if err := l.try(name, text); err != nil {
			l.tb.Fatalf("echo %s > %s: %v", text, name, err)
		}
	}
}

// cut parts NAME=TEXT.
func cut(setting string) (name, text string) {
	name, text, _ = strings.Cut(setting, "=")
	return name, text
}

// want compares what a table or knob shows.
func (l *lab) want(name, text string) {
	l.tb.Helper()
	if got := l.get(name); got != text {
		l.tb.Errorf("%s shows\n%swant\n%s", name, indent(got), indent(text))
	}
}

func indent(text string) string {
	return "\t" + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n\t") + "\n"
}

// linesOf counts the lines with a word.
func linesOf(text, word string) (n int) {
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, word) {
			n++
		}
	}
	return n
}

// counter reads one line of the table counters.
func (l *lab) counter(name string) string {
	l.tb.Helper()
	for _, line := range strings.Split(l.get("counters"), "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return value
		}
	}
	l.tb.Fatalf("there is no counter %s", name)
	return ""
}

// wantKind checks that err is a refusal of that kind with a reason.
func wantKind(tb testing.TB, what string, err error, kind fail.Kind) {
	tb.Helper()
	switch is := fail.KindOf(err); {
	case is != kind || is == 0:
		tb.Errorf("%s: error %v of kind %d, want one of kind %d", what, err, is, kind)
	case err.Error() == "":
		tb.Errorf("%s: no reason is given", what)
	}
}

// station is behind a port: it remembers what it hears.
type station struct {
	bustest.Recorder
	tb   testing.TB
	conn *bus.Conn
	mac  mac
	seen int // frames that heard has returned
}

// number is that of its port.
func (s *station) number() int { return s.conn.Port().Number() }

// send sends frames, which must be accepted.
func (s *station) send(frames ...[]byte) {
	s.tb.Helper()
	for _, f := range frames {
		if !bustest.Send(s.conn, f) {
			s.tb.Fatalf("port %d: a frame was not accepted", s.number())
		}
	}
}

// say sends a frame with the station's own source address.
func (s *station) say(to mac, body string, tags ...uint32) {
	s.tb.Helper()
	s.send(makeFrame(to, s.mac, body, tags...))
}

// heard returns the frames that came since it was last called, without BPDUs.
func (s *station) heard() [][]byte {
	frames := s.Frames()[s.seen:]
	s.seen += len(frames)
	return slices.DeleteFunc(frames, isBPDU)
}

// dropped tells how many of its frames were dropped on their way in for a
// reason.
func (s *station) dropped(why frame.Drop) int { return int(s.conn.Port().Stats().Barred[why]) }

// heard forgets what came.
func (l *lab) heard() {
	for _, s := range l.stations {
		s.heard()
	}
}

// wantHeard checks who heard the body and who did not hear anything, by port
// number, and forgets what was heard.
func (l *lab) wantHeard(what, body string, by ...int) {
	l.tb.Helper()
	for _, s := range l.stations {
		var bodies []string
		for _, f := range s.heard() {
			bodies = append(bodies, bodyOf(f))
		}
		var want []string
		if slices.Contains(by, s.number()) {
			want = []string{body}
		}
		if !slices.Equal(bodies, want) {
			l.tb.Errorf("%s: port %d heard %q, want %q", what, s.number(), bodies, want)
		}
	}
}
