package fs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// offer is a policy that serves knobs of the given names, all of the same
// value.
type offer struct {
	hubPolicy
	name          string
	tables, knobs []string
	ports         []string
	get           func() string
	set           func(string) error
	started       func()
	ofFrames      bool       // of the tables
	cost          func() int // likewise
}

func (o *offer) Name() string { return o.name }

func (o *offer) Start(policy.Env) {
	if o.started != nil {
		o.started()
	}
}

func (o *offer) Stop() {}

func (o *offer) Tables() (list []policy.Table) {
	for _, name := range o.tables {
		list = append(list, policy.Table{Name: name, Read: o.get, Write: o.set, OfFrames: o.ofFrames, Cost: o.cost})
	}
	return list
}

func (o *offer) Knobs() (list []policy.Knob) {
	for _, name := range o.knobs {
		list = append(list, policy.Knob{Name: name, Get: o.get, Set: o.set})
	}
	return list
}

func (o *offer) PortKnobs() (list []policy.PortKnob) {
	for _, name := range o.ports {
		list = append(list, policy.PortKnob{Name: name, Get: func(policy.Port) string { return o.get() },
			Set: func(_ policy.Port, value string) error { return o.set(value) }})
	}
	return list
}

func (o *offer) SavePort(policy.Port) func() { return func() {} }

var offers atomic.Int64

// register makes a policy known by a new name, which its instances have too,
// unless they have one already.
func register(make func() *offer) string {
	unique := fmt.Sprintf("offer-%d", offers.Add(1))
	policy.Register(policy.Type{Name: unique, Summary: "for tests", New: func(map[string]string) (policy.Policy, error) {
		o := make()
		if o.name == "" {
			o.name = unique
		}
		if o.get == nil {
			o.get = func() string { return "value of " + o.name }
		}
		return o, nil
	}})
	return unique
}

// newOffer is a tree with a network lan of that policy and port 2.
func newOffer(t testing.TB, policy string) *memory {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	ok(t, "mkdir", m.mkdir("lan/ports/2", 0))
	ok(t, "policy", m.write("lan/policy", policy))
	return m
}

// The directory is there if the policy has something to put in it.
func TestPolicyDirectory(t *testing.T) {
	m := newOffer(t, hub)
	empty := m.ls("lan")
	for _, c := range []struct {
		o           offer
		dir, inPort string
	}{
		{offer{}, "", ""},
		{offer{tables: []string{"t"}}, "t", ""},
		{offer{knobs: []string{"k"}}, "k", ""},
		{offer{ports: []string{"p"}}, "", "p"},
		{offer{tables: []string{"b", "a"}, knobs: []string{"d", "c"}, ports: []string{"f", "e"}}, "b a d c", "f e"},
	} {
		name := register(func() *offer { o := c.o; return &o })
		ok(t, "policy", m.write("lan/policy", name))
		want := slices.Clone(empty)
		if c.dir != "" {
			want = append(want, name)
			slices.Sort(want)
			if got := ordered(m, "lan/"+name); got != c.dir {
				t.Errorf("the directory holds %q, want %q", got, c.dir)
			}
		} else if _, _, status := m.lookup("lan/" + name); status != fuse.ENOENT {
			t.Errorf("a directory for nothing: %v", status)
		}
		if got := m.ls("lan"); !slices.Equal(got, want) {
			t.Errorf("lan holds %v, want %v", got, want)
		}
		if got := ordered(m, "lan/ports/2"); strings.TrimPrefix(got, "port info stats name queue overflow mirror gauge") != strings.TrimRight(" "+c.inPort, " ") {
			t.Errorf("the port holds %q, want in the end %q", got, c.inPort)
		}
	}
}

// ordered lists a directory in its own order.
func ordered(m *memory, path string) string {
	n := m.node(m.id(path))
	var names []string
	for _, e := range m.list(&n)[2:] {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

// What is read ends in a newline, unless there is nothing.
func TestPolicyValuesAreLines(t *testing.T) {
	text := ""
	name := register(func() *offer {
		return &offer{tables: []string{"t"}, knobs: []string{"k"}, ports: []string{"p"}, get: func() string { return text }}
	})
	m := newOffer(t, name)
	for have, want := range map[string]string{"": "", "x": "x\n", "x\n": "x\n", "x\ny": "x\ny\n"} {
		text = have
		for _, path := range []string{"lan/" + name + "/t", "lan/" + name + "/k", "lan/ports/2/p"} {
			if got := m.read(path); got != want {
				t.Errorf("%s gives %q and shows %q, want %q", path, have, got, want)
			}
		}
	}
}

// No name stands twice in a directory: the tree's own file wins, and of two
// of a policy's the first. Names that cannot be those of files are left out.
func TestPolicyNamesThatAreTaken(t *testing.T) {
	names := []string{"", ".", "..", "a/b", "a b", "a\n", "x", "x", strings.Repeat("y", 65), "\xff"}
	for _, taken := range []string{"port", "tap", "dial", "ports", "mtu", "errors"} {
		name := register(func() *offer { return &offer{name: taken, knobs: []string{"k"}} })
		m := newOffer(t, name)
		list := m.ls("lan")
		if slices.Sort(list); len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("a policy named %s: lan holds %v", taken, list)
		}
		if id, _, status := m.lookup("lan/" + taken); status.Ok() && m.node(id).row != rowOf(bus.InNetwork, taken) {
			t.Errorf("a policy named %s hides the file", taken)
		}
		if _, _, status := m.lookup("lan/" + taken + "/k"); status.Ok() {
			t.Errorf("a policy named %s has a directory", taken)
		}
	}
	for _, bad := range names[:6] {
		m := newOffer(t, register(func() *offer { return &offer{name: bad, knobs: []string{"k"}} }))
		if bad != "" && slices.Contains(m.ls("lan")[2:], bad) {
			t.Errorf("lan holds %q", bad)
		}
	}
	name := register(func() *offer {
		return &offer{tables: names, knobs: append([]string{"mtu"}, names...), ports: append([]string{"info", "port", "mirror", "p"}, names...)}
	})
	m := newOffer(t, name)
	if got := ordered(m, "lan/"+name); got != "x mtu" {
		t.Errorf("the policy's directory holds %q", got)
	}
	if got := ordered(m, "lan/ports/2"); got != "port info stats name queue overflow mirror gauge p x" {
		t.Errorf("the port's directory holds %q", got)
	}
	if text := m.read("lan/ports/2/mirror"); text != "" {
		t.Errorf("the port's own file shows %q", text)
	}
}

// A policy may have more than there are rows for: the rest is left out.
func TestPolicyWithTooMuch(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("n%d", i))
	}
	name := register(func() *offer { return &offer{tables: many[:20], knobs: many[20:], ports: many} })
	m := newOffer(t, name)
	if got := len(m.ls("lan/"+name)) - 2; got != rowOf(inPolicy, "").slots {
		t.Errorf("%d files, want %d", got, rowOf(inPolicy, "").slots)
	}
	if got := m.ls("lan/ports/2"); len(got) != 2+8+rowOf(bus.InPort, "").slots {
		t.Errorf("the port's directory holds %v", got)
	}
	for i := range rowOf(inPolicy, "").slots {
		m.read(fmt.Sprintf("lan/%s/n%d", name, i))
	}
	wantStatus(t, "the one behind", statusAt(m, fmt.Sprintf("lan/%s/n%d", name, rowOf(inPolicy, "").slots)), unix.ENOENT)
}

func statusAt(m *memory, path string) fuse.Status {
	_, _, status := m.lookup(path)
	return status
}

// What is open of a policy ends with it, also if one of the same name follows.
func TestPolicyEnds(t *testing.T) {
	m := newLAN(t)
	paths := []string{"lan/fake/limit", "lan/fake/mute", "lan/fake/ports", "lan/ports/2/tag", "lan/ports/2/silent"}
	ok(t, "limit", m.write("lan/fake/limit", "5"))
	ok(t, "tag", m.write("lan/ports/2/tag", "5"))
	for _, policy := range []string{fakePolicy, hub, fakePolicy} {
		there := statusAt(m, "lan/fake").Ok()
		if !there {
			ok(t, "policy", m.write("lan/policy", fakePolicy))
		}
		var open []uint64
		for _, path := range paths {
			fh, status := m.open(path, unix.O_RDWR)
			ok(t, "open", status)
			open = append(open, fh)
		}
		begun := open[0]
		if got := readAt(m, begun, 0, 1); got == "" {
			t.Error("limit shows nothing")
		}
		dir := m.id("lan/fake")
		ok(t, "policy", m.write("lan/policy", policy))
		for i, fh := range open {
			_, status := m.Read(nil, readIn(fh, 0, 10), make([]byte, 10))
			wantStatus(t, "read "+paths[i], status, unix.ENODEV)
			_, status = m.Write(nil, writeIn(fh), []byte("7"))
			wantStatus(t, "write "+paths[i], status, unix.ENODEV)
		}
		if got := readAt(m, begun, 1, 10); got != "\n" {
			t.Errorf("who reads on in what was rendered before gets %q", got)
		}
		h := m.header(dir)
		wantStatus(t, "lookup in the old directory", m.Lookup(nil, &h, "limit", &fuse.EntryOut{}), unix.ENOENT)
		wantStatus(t, "opendir of the old directory", m.OpenDir(nil, &fuse.OpenIn{InHeader: h}, &fuse.OpenOut{}), unix.ENOENT)
		wantStatus(t, "mkdir in it", m.Mkdir(nil, &fuse.MkdirIn{InHeader: h}, "x", &fuse.EntryOut{}), unix.ENOENT)
		var a fuse.AttrOut
		ok(t, "stat", m.GetAttr(nil, &fuse.GetAttrIn{InHeader: h}, &a))
		if a.Nlink != 0 || a.Mode&unix.S_IFMT != unix.S_IFDIR {
			t.Errorf("the old directory has %d links and mode %o", a.Nlink, a.Mode)
		}
		if policy == fakePolicy {
			if id := m.id("lan/fake"); id == dir {
				t.Error("the new directory has the old one's id")
			}
			if got := m.read("lan/fake/limit") + m.read("lan/ports/2/tag"); got != "0\n0\n" {
				t.Errorf("limit and tag of the new policy are %q", got)
			}
		}
		for _, fh := range open {
			m.Release(nil, &fuse.ReleaseIn{Fh: fh})
		}
	}
}

// What is open of a port ends with it, whatever the policy does.
func TestPortKnobEnds(t *testing.T) {
	m := newLAN(t)
	fh, status := m.open("lan/ports/2/tag", unix.O_RDWR)
	ok(t, "open", status)
	found := m.node(m.id("lan/ports/2/tag"))
	ok(t, "rmdir", m.rmdir("lan/ports/2"))
	if err := writeValue(m.FS, &found, nil, "7"); fail.KindOf(err) != fail.Gone {
		t.Errorf("a port that ends when the write has begun: %v", err)
	}
	if readValue(m.FS, &found); !found.gone {
		t.Error("a port that ends when the read has begun is not gone")
	}
	for range 2 {
		_, status = m.Read(nil, readIn(fh, 0, 10), make([]byte, 10))
		wantStatus(t, "read", status, unix.ENODEV)
		_, status = m.Write(nil, writeIn(fh), []byte("7"))
		wantStatus(t, "write", status, unix.ENODEV)
		m.mkdir("lan/ports/2", 0)
	}
	if got := m.read("lan/ports/2/tag"); got != "0\n" {
		t.Errorf("the new port's tag is %q", got)
	}
}

// After 256 policies a port's file has an id that was used before. Who has the
// old one open still does not act on the new one.
func TestPolicyIDsComeRound(t *testing.T) {
	m := newLAN(t)
	fh, status := m.open("lan/ports/2/tag", unix.O_RDWR)
	ok(t, "open", status)
	row := rowOf(bus.InPort, "")
	id := m.id("lan/ports/2/tag") &^ row.sequenceMask()
	seen := map[uint64]bool{}
	for range 1 << (portShift - row.sequenceBits()) {
		if err := m.bus.Network("lan").SetPolicy(fakePolicy); err != nil {
			t.Fatal(err)
		}
		n, found := (&node{row: rowOf(inPorts, ""), net: m.bus.Network("lan"), port: m.bus.Network("lan").Port(2)}).servedChild("tag")
		if !found || seen[n.id] {
			t.Fatalf("found %v; id %x was there before", found, n.id)
		}
		seen[n.id] = true
	}
	if m.id("lan/ports/2/tag")&^row.sequenceMask() != id {
		t.Fatal("the ids have not come round")
	}
	_, status = m.Read(nil, readIn(fh, 0, 10), make([]byte, 10))
	wantStatus(t, "read", status, unix.ENODEV)
	_, status = m.Write(nil, writeIn(fh), []byte("7"))
	wantStatus(t, "write", status, unix.ENODEV)
}

// While policies and ports come and go, whoever opened a file acts on the
// policy that he opened it of, or not at all.
func TestPoliciesChangeMeanwhile(t *testing.T) {
	var net atomic.Pointer[bus.Network]
	var wrong atomic.Pointer[string]
	var sets, reads atomic.Int64
	name := register(func() *offer {
		life := uint64(0)
		o := &offer{tables: []string{"table"}, knobs: []string{"knob"}, ports: []string{"own"}}
		o.started = func() {
			if n := net.Load(); n != nil {
				life = n.PolicyLife()
			}
		}
		o.get = func() string {
			reads.Add(1)
			return strconv.FormatUint(life, 10)
		}
		o.set = func(value string) error {
			sets.Add(1)
			if value != strconv.FormatUint(life, 10) {
				text := fmt.Sprintf("the policy of life %d was told what was meant for that of life %s", life, value)
				wrong.Store(&text)
			}
			return nil
		}
		return o
	})
	m := newOffer(t, hub)
	net.Store(m.bus.Network("lan"))
	ok(t, "policy", m.write("lan/policy", name))

	const rounds = 1500
	var done atomic.Bool
	var work, rest sync.WaitGroup
	meanwhile := func(f func(i int)) {
		rest.Add(1)
		go func() {
			defer rest.Done()
			for i := 0; !done.Load(); i++ {
				f(i)
			}
		}()
	}
	allowed := func(what string, status fuse.Status) bool {
		switch unix.Errno(status) {
		case 0, unix.ENODEV, unix.ENOENT:
		default:
			t.Errorf("%s: %v", what, status)
		}
		return status.Ok()
	}
	for _, path := range []string{"lan/" + name + "/table", "lan/" + name + "/knob", "lan/ports/2/own"} {
		for range 2 {
			meanwhile(func(int) {
				id, _, status := m.lookup(path)
				var out fuse.OpenOut
				if !allowed("lookup", status) || !allowed("open", m.Open(nil, &fuse.OpenIn{InHeader: m.header(id), Flags: unix.O_RDWR}, &out)) {
					return
				}
				life := strconv.FormatUint(m.file(out.Fh).(*textHandle).node.life, 10)
				for range 3 {
					buf := make([]byte, 30)
					if r, status := m.Read(nil, readIn(out.Fh, 0, len(buf)), buf); allowed("read", status) {
						if data, _ := r.Bytes(buf); string(data) != life+"\n" {
							t.Errorf("%s of life %s shows %q", path, life, data)
						}
					}
					_, status := m.Write(nil, writeIn(out.Fh), []byte(life))
					allowed("write", status)
				}
				m.Release(nil, &fuse.ReleaseIn{Fh: out.Fh})
			})
		}
	}
	for _, dir := range []string{"lan", "lan/" + name, "lan/ports/2"} {
		meanwhile(func(int) {
			id, _, status := m.lookup(dir)
			var out fuse.OpenOut
			if !allowed("lookup", status) || !allowed("opendir", m.OpenDir(nil, &fuse.OpenIn{InHeader: m.header(id)}, &out)) {
				return
			}
			for _, e := range m.file(out.Fh).(*dirHandle).entries[2:] {
				h := m.header(id)
				allowed("lookup of what is listed", m.Lookup(nil, &h, e.Name, &fuse.EntryOut{}))
			}
			m.ReleaseDir(&fuse.ReleaseIn{Fh: out.Fh})
		})
	}
	work.Add(2)
	go func() {
		defer work.Done()
		for i := range rounds {
			ok(t, "policy", m.write("lan/policy", []string{name, hub, name, fakePolicy}[i%4]))
		}
	}()
	go func() {
		defer work.Done()
		for range rounds {
			ok(t, "rmdir", m.rmdir("lan/ports/2"))
			ok(t, "mkdir", m.mkdir("lan/ports/2", 0))
		}
	}()
	work.Wait()
	done.Store(true)
	rest.Wait()
	if text := wrong.Load(); text != nil {
		t.Error(*text)
	}
	if sets.Load() == 0 || reads.Load() == 0 {
		t.Errorf("%d writes and %d reads reached a policy: nothing was tried", sets.Load(), reads.Load())
	}
}
