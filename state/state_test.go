package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// again makes of n, written as JSON, a network on another bus, and tells what that
// is.
func again(t *testing.T, n Network) Network {
	t.Helper()
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	var read Network
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return Of(mustMake(t, newBus(t), read))
}

// What is told of a network with everything set is what it was made of, also
// behind JSON and on another bus.
func TestFull(t *testing.T) {
	n := full()
	is := Of(mustMake(t, newBus(t), n))
	if !reflect.DeepEqual(is, n) {
		t.Errorf("it was made of\n%+v, and is\n%+v", n, is)
	}
	if then := again(t, is); !reflect.DeepEqual(then, is) {
		t.Errorf("it was\n%+v, and is again\n%+v", is, then)
	}
}

// A new network is told with what was set by nobody, too: another program may
// begin with other values. A port that is not reserved, and not set up, is not
// told.
func TestJSON(t *testing.T) {
	b := newBus(t)
	net, err := b.Create("chat", "broadcast", bus.Access{Mode: 0o777, UID: 5, GID: 6}, bus.Access{Mode: 0o766, UID: 5, GID: 6})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.Reserve(3); err != nil {
		t.Fatal(err)
	}
	if err := plugged.Attach(net, bus.Caller{}, "a port=1"); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(Of(net), "", " ")
	want := `{
 "name": "chat",
 "dir": {
  "mode": 511,
  "uid": 5,
  "gid": 6
 },
 "door": {
  "mode": 502,
  "uid": 5,
  "gid": 6
 },
 "settings": [
  {
   "file": "mtu",
   "text": "65535"
  },
  {
   "file": "queue",
   "text": "256"
  },
  {
   "file": "overflow",
   "text": "drop-new"
  },
  {
   "file": "maxports",
   "text": "1024"
  },
  {
   "file": "persist",
   "text": "1"
  },
  {
   "file": "linktype",
   "text": "ethernet"
  }
 ],
 "policy": "broadcast",
 "values": null,
 "ports": [
  {
   "number": 3,
   "reserved": true,
   "access": null,
   "settings": null,
   "values": null
  }
 ],
 "attached": [
  {
   "file": "plug",
   "text": "a port=1"
  }
 ],
 "late": null
}`
	if err != nil || string(text) != want {
		t.Errorf("it is written as\n%s, %v", text, err)
	}
}

// texts are what may be set, by file: of networks, of policies, of their
// ports.
var (
	netTexts = map[string][]string{
		"mtu": {"60", "1500", "1044480"}, "queue": {"1", "256"}, "overflow": {"drop-new", "drop-old", "block", "disconnect"},
		"maxports": {"1024", "65536"}, "persist": {"0", "1"}, "linktype": {"ethernet", "user0"},
	}
	policyTexts = map[string]map[string][]string{
		"broadcast":      {},
		bustest.FakeName: {"limit": {"0", "7"}, "mute": {"+3", "+4", "-3"}},
		"switch": {
			"ageing": {"0", "5"}, "fdb_max": {"1000"}, "damping": {"7"}, "group_forward": {"2"}, "fastpath": {"on", "off"}, "vlan": {"on", "off"}, "default_pvid": {"0", "5"},
			"snooping": {"on", "off"}, "fast_leave": {"on"}, "vlans": {"add 5", "add 6 name=x", "add 6 name=y", "del 5", "del 6"},
			"stp": {"off", "rstp", "per-vlan", "priority=4096", "hello=1 mac=02:00:00:00:00:05"},
			"fdb": {"add 02:00:00:00:00:01 port=1", "add 02:00:00:00:00:02 port=2 vlan=6", "add 02:00:00:00:00:03 port=9 vlan=0", "del 02:00:00:00:00:01"},
		},
	}
	portTexts = map[string][]string{
		"name": {"", "x", "a b"}, "queue": {"5", "256", "network"}, "overflow": {"block", "drop-new", "network"}, "mirror": {"", "1 2", "none"},
	}
	valueTexts = map[string]map[string][]string{
		"broadcast":      {},
		bustest.FakeName: {"tag": {"0", "5"}},
		"switch": {
			"pvid": {"0", "5"}, "vlans": {"none", "all", "5,7-9"}, "tpid": {"0x8100", "802.1ad"}, "isolated": {"on", "off"}, "storm": {"broadcast=5", "off"},
			"fdb_max": {"off", "7"}, "mrouter": {"on", "auto"}, "stp": {"cost=7", "edge=on", "edge=auto", "root_guard=on", "guard=on p2p=off"},
		},
	}
)

// draw draws a line.
func draw(r *rand.Rand, texts map[string][]string) (l Line) {
	var all []Line
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		for _, text := range texts[file] {
			all = append(all, Line{file, text})
		}
	}
	if len(all) > 0 {
		l = all[r.Intn(len(all))]
	}
	return l
}

// random makes a network on which things were set, and tells how many were.
func random(t *testing.T, b *bus.Bus, seed int64) (net *bus.Network, taken int) {
	t.Helper()
	r := rand.New(rand.NewSource(seed))
	kind := []string{"broadcast", bustest.FakeName, "switch"}[seed%3]
	mode := func() bus.Access {
		return bus.Access{Mode: uint32(r.Intn(0o1000)), UID: uint32(r.Intn(9)), GID: uint32(r.Intn(9))}
	}
	net, err := b.Create(fmt.Sprint("net", seed), kind, mode(), mode())
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range []int{2, 9, 100} {
		if _, err := net.Reserve(number); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"a port=1", "b port=9"} {
		if err := plugged.Attach(net, bus.Caller{Info: bus.Info{UID: uint32(r.Intn(3))}}, command); err != nil {
			t.Fatal(err)
		}
	}
	for range r.Intn(60) {
		p := net.Port([]int{1, 2, 9, 100}[r.Intn(4)])
		port := &Port{Settings: []Line{draw(r, portTexts)}}
		switch r.Intn(5) {
		case 0:
			err = set(net, bus.NetworkSettings, []Line{draw(r, netTexts)})
		case 1:
			err = writePolicy(net, []Line{draw(r, policyTexts[kind])})
		case 2:
			port.Settings, port.Values = nil, []Line{draw(r, valueTexts[kind])}
			err = port.fill(p)
		case 3:
			err = port.fill(p)
		case 4:
			p.ChangeAccess(func(a *bus.Access) { *a = mode() })
		}
		if err == nil {
			taken++
		}
	}
	return net, taken
}

// Whatever was set on a network, what is told of it makes one of which the same
// is told.
func TestAgain(t *testing.T) {
	taken := 0
	for seed := range int64(150) {
		net, some := random(t, newBus(t), seed)
		taken += some
		is := Of(net)
		if then := again(t, is); !reflect.DeepEqual(then, is) {
			t.Fatalf("seed %d: it was\n%+v, and is again\n%+v", seed, is, then)
		}
	}
	if taken < 2000 {
		t.Errorf("only %d texts were taken", taken)
	}
}

// What is refused leaves nothing behind, whichever line it is, and is refused by
// an error that has a kind.
func TestRefused(t *testing.T) {
	cases := full().change(func(l *Line) { l.Text = "no such thing" })
	maps.Copy(cases, full().change(func(l *Line) { l.File = "nothing" }))
	maps.DeleteFunc(cases, func(what string, _ Network) bool { // any name will do, and files of sets are connect's
		return strings.Contains(what, "{name ") || strings.Contains(what, "to {nothing ") && strings.Contains(what, "{plug ")
	})
	alter := func(what string, change func(n *Network)) {
		n := full()
		change(&n)
		cases[what] = n
	}
	alter("a name that is none", func(n *Network) { n.Name = "a/b" })
	alter("no such policy", func(n *Network) { n.Policy = "nothing" })
	alter("no such argument", func(n *Network) { n.Policy = "switch colour=red" })
	alter("another policy", func(n *Network) { n.Policy = "broadcast" })
	alter("a port twice", func(n *Network) { n.Ports[2].Number = n.Ports[1].Number })
	alter("a port above maxports", func(n *Network) { n.Ports[3].Number = 2001 })
	alter("a read-only table", func(n *Network) { n.Values[0].File = "counters" })
	alter("what is attached is refused", func(n *Network) { n.Attached[1].Text = "broken port=7" })
	for what, n := range cases {
		b := newBus(t)
		var made *bus.Network
		err := Make(b, n, func(net *bus.Network) error {
			made = net
			return n.connect(net)
		})
		if fail.KindOf(err) == 0 || err.Error() == "" {
			t.Errorf("%s: %v", what, err)
		}
		unplug(made)
		wantNothing(t, what, b)
	}
	if len(cases) < 50 {
		t.Errorf("only %d cases", len(cases))
	}
}

// A network of the name that is there stays as it is.
func TestExists(t *testing.T) {
	b := newBus(t)
	net := mustMake(t, b, full())
	n := full()
	n.Policy, n.Values, n.Late = "broadcast", nil, nil
	if err := Make(b, n, nil); fail.KindOf(err) != fail.Exists {
		t.Errorf("a second one: %v", err)
	}
	if is := Of(net); !reflect.DeepEqual(is, full()) {
		t.Errorf("it is now %+v", is)
	}
}

// While a network is made its door is closed; and an error of connect is handed
// on.
func TestClosed(t *testing.T) {
	b := newBus(t)
	broken := errors.New("broken")
	err := Make(b, full(), func(net *bus.Network) error {
		if _, door := net.Access(); door != (bus.Access{UID: 7, GID: 8}) {
			t.Errorf("its door has %+v", door)
		}
		return broken
	})
	if err != broken {
		t.Errorf("it is refused by %v", err)
	}
	wantNothing(t, "connect failed", b)
}

// What is of a port that nobody connects is left out.
func TestNobody(t *testing.T) {
	for attached := range 3 {
		b := newBus(t)
		n := full()
		n.Attached = n.Attached[:attached]
		if err := Make(b, n, n.connect); err != nil {
			t.Fatal(err)
		}
		wantWithout(t, b, n)
	}
	b := newBus(t)
	n := full()
	if err := Make(b, n, nil); err != nil {
		t.Fatal(err)
	}
	n.Attached = nil
	wantWithout(t, b, n)
}

// wantWithout checks the network n, of which some are not attached.
func wantWithout(t *testing.T, b *bus.Bus, n Network) {
	t.Helper()
	if n.Late = n.Late[:len(n.Attached)]; len(n.Attached) == 0 {
		n.Attached, n.Late, n.Ports = nil, nil, n.Ports[1:]
	}
	if is := Of(b.Network("lan")); !reflect.DeepEqual(is, n) {
		t.Errorf("%d are attached: it is\n%+v, want\n%+v", len(n.Attached), is, n)
	}
}

// A network that ends with its last port, and does so while it is made, was not
// made.
func TestEnds(t *testing.T) {
	b := newBus(t)
	n := full()
	n.Ports, n.Late = nil, nil
	err := Make(b, n, func(net *bus.Network) error {
		err := n.connect(net)
		unplug(net)
		return err
	})
	if fail.KindOf(err) != fail.Gone {
		t.Errorf("it is refused by %v", err)
	}
	wantNothing(t, "it ended", b)
}
