package state

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	_ "ipnfs/policies/broadcast"
	_ "ipnfs/policies/l2switch"
	"ipnfs/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plugs attaches endpoints that hear all: NAME port=N. Of those whose name begins
// with lost it tells not how.
type plugs struct{ ends map[*bus.Network][]*plug }

type plug struct {
	bustest.Recorder
	name string
	port int
}

var plugged = &plugs{map[*bus.Network][]*plug{}}

func init() {
	bus.RegisterFile(bus.File{Place: bus.InNetwork, Name: "plug", Summary: "what is plugged", Rule: bus.Managed, Set: plugged})
}

var _ bus.Saver = plugged

func (a *plugs) Attach(n *bus.Network, by bus.Caller, command string) error {
	p := &plug{}
	name, rest := words.Name(command)
	if p.name = name; name == "broken" {
		return fail.Errorf(fail.Busy, "it is broken")
	}
	if err := (words.Options{words.One("port", &p.port, words.Between(1, policy.MaxPorts))}).Read(rest, nil); err != nil {
		return err
	}
	_, err := n.Join(p, bus.JoinOptions{Number: p.port, Make: true, Recv: true, Send: true, Info: bus.Info{Kind: "plug", UID: by.UID, GID: by.GID}})
	if err == nil {
		a.ends[n] = append(a.ends[n], p)
	}
	return err
}

func (a *plugs) Detach(*bus.Network, bus.Caller, string) error { return nil }

func (a *plugs) List(*bus.Network) string { return "" }

func (a *plugs) Save(n *bus.Network) (list []string) {
	for _, p := range a.ends[n] {
		if strings.HasPrefix(p.name, "lost") {
			continue
		}
		list = append(list, fmt.Sprintf("%s port=%d", p.name, p.port))
	}
	return list
}

// connect attaches what n tells.
func (n *Network) connect(net *bus.Network) error {
	for _, l := range n.Attached {
		if err := bus.AttacherOf(l.File).Attach(net, bus.Caller{}, l.Text); err != nil {
			return err
		}
	}
	return nil
}

// newBus is a bus of which nothing may be left in the end.
func newBus(t *testing.T) *bus.Bus {
	t.Helper()
	b := bus.New(bus.DefaultLimits())
	b.Policy = "broadcast"
	t.Cleanup(func() {
		nets := b.Networks()
		b.Shutdown()
		unplug(nets...)
		wantNothing(t, "the end", b)
	})
	return b
}

// unplug closes what was attached to networks that have ended.
func unplug(nets ...*bus.Network) {
	for _, n := range nets {
		for _, p := range plugged.ends[n] {
			p.Conn().Close()
		}
		delete(plugged.ends, n)
	}
}

// wantNothing checks that nothing is left on b.
func wantNothing(t *testing.T, what string, b *bus.Bus) {
	t.Helper()
	if nets, ports, used := len(b.Networks()), b.PortsUsed(), b.Memory.Used(); nets != 0 || ports != 0 || used != 0 {
		t.Errorf("%s: %d networks, %d ports, %d bytes are left", what, nets, ports, used)
	}
}

// mustMake makes a network, or fails the test.
func mustMake(t *testing.T, b *bus.Bus, n Network) *bus.Network {
	t.Helper()
	if err := Make(b, n, n.connect); err != nil {
		t.Fatalf("%+v: %v", n, err)
	}
	return b.Network(n.Name)
}

// parse reads lines FILE: TEXT.
func parse(lines ...string) (list []Line) {
	for _, l := range lines {
		file, text, _ := strings.Cut(l, ": ")
		list = append(list, Line{file, text})
	}
	return list
}

// full is a network with everything set.
func full() Network {
	return Network{
		Name: "lan", Dir: bus.Access{Mode: 0o2750, UID: 5, GID: 6}, Door: bus.Access{Mode: 0o764, UID: 7, GID: 8},
		Settings: parse("mtu: 1500", "queue: 10", "overflow: block", "maxports: 2000", "persist: 0", "linktype: raw"),
		Policy:   "switch ageing=60 vlan=on",
		Values: parse("ageing: 61", "fdb_max: 1000", "damping: 3", "group_forward: 0x4000", "fastpath: off", "vlan: on", "default_pvid: 9",
			"snooping: on", "fast_leave: on", "vlans: add 20 name=", "vlans: add 30 name=b\u00fcro",
			"stp: per-vlan priority=4096 hello=1 max_age=10 forward_delay=8 tx_hold=3 mac=02:00:00:00:00:99"),
		Ports: []Port{
			{
				Number: 1, Access: &bus.Access{Mode: 0o640, UID: 3, GID: 4}, Settings: parse("name: uplink"),
				Values: parse("pvid: 9", "vlans: 30", "tpid: 0x8100", "isolated: off",
					"storm: broadcast=off multicast=off unknown=off", "mrouter: auto", "stp: cost=5 priority=128 p2p=on guard=off"),
			},
			{Number: 3, Reserved: true},
			{Number: 7, Reserved: true, Settings: parse("name: a printer", "mirror: 1 2000")},
			{
				Number: 2000, Reserved: true, Access: &bus.Access{Mode: 0o600, UID: 1, GID: 2},
				Settings: parse("name: trunk", "queue: 7", "overflow: drop-old"),
				Values: parse("pvid: 20", "vlans: 10-12,30", "tpid: 0x88a8", "isolated: on",
					"storm: broadcast=5 multicast=off unknown=7", "fdb_max: 10", "mrouter: on",
					"stp: cost=100 priority=16 edge=auto p2p=off guard=on root_guard=off"),
			},
		},
		Attached: parse("plug: eth0 port=1", "plug: eth1 port=7"),
		Late:     parse("fdb: add 02:00:00:00:00:01 port=1 vlan=1", "fdb: add 02:00:00:00:00:07 port=7 vlan=30"),
	}
}

// change gives copies of n with one line changed each, and what that is.
func (n Network) change(change func(l *Line)) map[string]Network {
	all := map[string]Network{}
	copies := func() (Network, []*[]Line) {
		c := n
		c.Ports = slices.Clone(n.Ports)
		lists := []*[]Line{&c.Settings, &c.Values, &c.Attached, &c.Late}
		for i := range c.Ports {
			lists = append(lists, &c.Ports[i].Settings, &c.Ports[i].Values)
		}
		for _, l := range lists {
			*l = slices.Clone(*l)
		}
		return c, lists
	}
	_, lists := copies()
	for i := range lists {
		for k := range *lists[i] {
			c, changed := copies()
			l := &(*changed[i])[k]
			before := *l
			change(l)
			all[fmt.Sprintf("list %d, %v to %v", i, before, *l)] = c
		}
	}
	return all
}
