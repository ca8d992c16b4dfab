package bus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

var epoch = time.Unix(1700000000, 0)

func knob(t *testing.T, p policy.Policy, name string) policy.Knob {
	t.Helper()
	for _, k := range p.(policy.Knobber).Knobs() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("policy %s has no knob %s", p.Name(), name)
	return policy.Knob{}
}

var specs = []struct {
	spec string
	kind fail.Kind
	text string // in the reason
}{
	{directed, 0, ""},
	{" " + directed + " ", 0, ""},
	{directed + " limit=5", 0, ""},
	{directed + "\tlimit=0", 0, ""},
	{"", fail.Invalid, directed},
	{" \t", fail.Invalid, directed},
	{"nothing", fail.Unknown, directed}, // the known ones are listed
	{"Fake", fail.Unknown, directed},
	{directed + " limit", fail.Invalid, "key=value"},
	{directed + " =5", fail.Invalid, "key=value"},
	{directed + " limit=", fail.Invalid, ""},
	{directed + " limit=5 limit=6", fail.Invalid, "twice"},
	{directed + " limit=101", fail.Range, "100"},
	{directed + " other=1", fail.Invalid, "other"},
}

func TestNewPolicy(t *testing.T) {
	for _, c := range specs {
		p, err := policy.New(c.spec)
		wantKind(t, fmt.Sprintf("%q", c.spec), err, c.kind)
		if c.kind == 0 && (p == nil || p.Name() != directed) {
			t.Errorf("%q makes %v", c.spec, p)
		}
		if err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: the reason %q does not tell of %q", c.spec, err, c.text)
		}
	}
	p, _ := policy.New(directed + " limit=42")
	if got := knob(t, p, "limit").Get(); got != "42" {
		t.Errorf("limit=42 sets %s", got)
	}
}

func FuzzPolicySpec(f *testing.F) {
	for _, c := range specs {
		f.Add(c.spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		p, err := policy.New(spec)
		if (p == nil) == (err == nil) {
			t.Fatalf("%q: policy %v and error %v", spec, p, err)
		}
		if err != nil && fail.KindOf(err) == 0 {
			t.Errorf("%q: %v has no kind", spec, err)
		}
		l := bustest.NewLab(t, directed)
		if setErr := l.Net.SetPolicy(spec); (setErr == nil) != (err == nil) {
			t.Errorf("%q: NewPolicy says %v, SetPolicy %v", spec, err, setErr)
		} else if err != nil && l.Net.PolicySpec() != directed {
			t.Errorf("%q was refused, and the policy is now %q", spec, l.Net.PolicySpec())
		}
	})
}

func TestRegisterTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second registration of a name does not panic")
		}
	}()
	policy.Register(policy.Type{Name: directed})
}

func TestPoliciesAreSorted(t *testing.T) {
	list := policy.Types()
	for i := 1; i < len(list); i++ {
		if list[i-1].Name >= list[i].Name {
			t.Errorf("%s stands before %s", list[i-1].Name, list[i].Name)
		}
	}
}

// A type goes only when no network runs it, and one that takes its place is for
// those that choose it from then on.
func TestUnregister(t *testing.T) {
	const name = "test-passing"
	version := func(v int) policy.Type {
		return policy.Type{Name: name, New: func(map[string]string) (policy.Policy, error) {
			return bustest.NewFake(map[string]string{"limit": fmt.Sprint(v)})
		}}
	}
	running := func(n *bus.Network) string { return knob(t, n.Policy(), "limit").Get() }
	wantKind(t, "replace nothing", policy.Replace(version(1)), fail.Unknown)
	wantKind(t, "unregister nothing", policy.Unregister(name), fail.Unknown)
	policy.Register(version(1))
	if _, err := policy.New(name); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "refused", bustest.NewLab(t, directed).Net.SetPolicy(name+" x"), fail.Invalid)
	l := bustest.NewLab(t, name)
	wantKind(t, "in force", policy.Unregister(name), fail.Busy)
	wantKind(t, "replace", policy.Replace(version(2)), 0)
	if got := running(l.Net); got != "1" {
		t.Errorf("version %s runs after another took the place of the type", got)
	}
	_, err := l.Bus.Create("other", name, bus.Access{}, bus.Access{})
	wantKind(t, "a second network", err, 0)
	if got := running(l.Bus.Network("other")); got != "2" {
		t.Errorf("version %s runs on a new network", got)
	}
	_, err = l.Bus.Create("other", name, bus.Access{}, bus.Access{})
	wantKind(t, "a name that is taken", err, fail.Exists)
	wantKind(t, "another policy", l.Net.SetPolicy(directed), 0)
	wantKind(t, "in force on the second", policy.Unregister(name), fail.Busy)
	wantKind(t, "remove", l.Bus.Remove("other"), 0)
	wantKind(t, "in force nowhere", policy.Unregister(name), 0)
	wantKind(t, "choose it", l.Net.SetPolicy(name), fail.Unknown)
	policy.Register(version(3))
	wantKind(t, "registered again", l.Net.SetPolicy(name), 0)
	if got := running(l.Net); got != "3" {
		t.Errorf("version %s runs", got)
	}
	l.Bus.Shutdown()
	wantKind(t, "shut down", policy.Unregister(name), 0)
}

// A policy hears of a port once, before its first connection and after its
// last.
func TestJoiner(t *testing.T) {
	l := bustest.NewLab(t, directed)
	calls := func() string {
		return strings.Join(l.Net.Policy().(*bustest.Fake).Calls(), ", ")
	}
	check := func(what, want string) {
		t.Helper()
		if got := calls(); got != want {
			t.Errorf("%s: calls are %q, want %q", what, got, want)
		}
	}
	if _, err := l.Net.Reserve(5); err != nil {
		t.Fatal(err)
	}
	check("reserved", "")
	five := both
	five.Number = 5
	a := l.JoinAs(t, &bustest.Sink{}, five)
	b := l.JoinAs(t, &bustest.Sink{}, five)
	check("two at one port", "join 5")
	l.Leave(a)
	check("one left", "join 5")
	l.Leave(b)
	check("both left", "join 5, leave 5")
	l.JoinAs(t, &bustest.Sink{}, five)
	wantKind(t, "remove", l.Net.RemovePort(5), 0)
	check("again, and removed", "join 5, leave 5, join 5, leave 5")

	l.Join(t, &bustest.Sink{})
	l.Join(t, &bustest.Sink{})
	wantKind(t, "switch", l.Net.SetPolicy(directed+" limit=1"), 0)
	check("a new policy hears of who is there", "join 1, join 2")
	before := l.Net.Policy()
	wantKind(t, "refused", l.Net.SetPolicy(directed+" limit=x"), fail.Invalid)
	if l.Net.Policy() != before || l.Net.PolicySpec() != directed+" limit=1" {
		t.Error("a refused policy replaced the one in use")
	}
}
