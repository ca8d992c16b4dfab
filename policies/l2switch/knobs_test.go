package l2switch

import (
	"strings"
	"testing"

	"ipnfs/bus"
)

func TestDefaults(t *testing.T) {
	l := newLab(t, Name, 1)
	for name, want := range map[string]string{
		"ageing": "300", "fdb_max": "65536", "damping": "0", "vlan": "off", "snooping": "off", "default_pvid": "1",
		"1/pvid": "1", "1/vlans": "none", "1/tpid": "0x8100", "1/isolated": "off",
		"1/storm":   "broadcast=off multicast=off unknown=off",
		"1/stp":     "cost=20000 priority=128 edge=on p2p=on guard=off root_guard=on",
		"1/fdb_max": "1024",
		"fdb":       "",
	} {
		l.want(name, want)
	}
	tap := l.join(bus.JoinOptions{Info: bus.Info{Kind: "tap"}}) // there may be a bridge behind it
	l.want("2/stp", "cost=20000 priority=128 edge=auto p2p=on guard=off root_guard=off")
	l.want("2/fdb_max", "off")
	tap.conn.Close()
	if text := l.get("stp"); !strings.HasPrefix(text, "off priority=32768 hello=2 max_age=20 forward_delay=15 tx_hold=6 mac=") {
		t.Errorf("stp shows %s", text)
	}
}

// Each form that a knob takes, and what it shows then.
func TestKnobs(t *testing.T) {
	l := newLab(t, Name, 1)
	for _, c := range []struct{ name, text, shows string }{
		{"ageing", "0", "0"}, {"ageing", "1000000", "1000000"}, {"ageing", "007", "7"},
		{"fdb_max", "1", "1"}, {"fdb_max", "1048576", "1048576"},
		{"damping", "1000000", "1000000"},
		{"vlan", "on", "on"}, {"vlan", "on", "on"}, {"vlan", "off", "off"},
		{"default_pvid", "0", "0"}, {"default_pvid", "4094", "4094"},
		{"snooping", "on", "on"}, {"snooping", "off", "off"},
		{"1/pvid", "0", "0"}, {"1/pvid", "4094", "4094"},
		{"1/vlans", "10,20-22", "10,20-22"}, {"1/vlans", "22 21\t20,10", "10,20-22"},
		{"1/vlans", "1-4094", "all"}, {"1/vlans", "all", "all"}, {"1/vlans", "none", "none"},
		{"1/vlans", "4093-4094,1,2", "1-2,4093-4094"}, {"1/vlans", "5-5", "5"}, {"1/vlans", "1-3,2-9", "1-9"},
		{"1/vlans", "2-4094", "2-4094"},
		{"1/tpid", "802.1ad", "0x88a8"}, {"1/tpid", "802.1Q", "0x8100"}, {"1/tpid", "0x88a8", "0x88a8"}, {"1/tpid", "0x8100", "0x8100"},
		{"1/isolated", "on", "on"}, {"1/isolated", "off", "off"},
		{"1/storm", "broadcast=1", "broadcast=1 multicast=off unknown=off"},
		{"1/storm", "unknown=100000000 multicast=5", "broadcast=1 multicast=5 unknown=100000000"},
		{"1/storm", "broadcast=off", "broadcast=off multicast=5 unknown=100000000"},
		{"1/storm", "off", "broadcast=off multicast=off unknown=off"},
		{"1/fdb_max", "1", "1"}, {"1/fdb_max", "1048576", "1048576"}, {"1/fdb_max", "off", "off"},
		{"1/stp", "cost=1", "cost=1 priority=128 edge=on p2p=on guard=off root_guard=on"},
		{"1/stp", "cost=200000000 priority=240", "cost=200000000 priority=240 edge=on p2p=on guard=off root_guard=on"},
		{"1/stp", "edge=auto p2p=off", "cost=200000000 priority=240 edge=auto p2p=off guard=off root_guard=on"},
		{"1/stp", "root_guard=off", "cost=200000000 priority=240 edge=auto p2p=off guard=off root_guard=off"},
		{"1/stp", "edge=off guard=on root_guard=on", "cost=200000000 priority=240 edge=off p2p=off guard=on root_guard=on"},
	} {
		l.set(c.name + "=" + c.text)
		l.want(c.name, c.shows)
		l.set(c.name + "=" + l.get(c.name)) // it takes what it gives
		l.want(c.name, c.shows)
	}
}

func TestKnobRefusals(t *testing.T) {
	l := newLab(t, Name, 1)
	var list []refusal
	for _, name := range []string{"ageing", "fdb_max", "damping", "vlan", "snooping", "default_pvid", "1/pvid", "1/vlans", "1/tpid", "1/isolated", "1/storm", "1/fdb_max"} {
		for _, text := range []string{"", " ", "x", "on off", "1 2 x", "-1", "0x10", "1.5", "=", "broadcast", "all none"} {
			list = append(list, refusal{name, text, bus.Invalid})
		}
	}
	list = append(list, []refusal{
		{"ageing", "1000001", bus.Range},
		{"ageing", "99999999999999999999", bus.Range},
		{"fdb_max", "0", bus.Range},
		{"fdb_max", "1048577", bus.Range},
		{"damping", "1000001", bus.Range},
		{"vlan", "ON", bus.Invalid},
		{"vlan", "1", bus.Invalid},
		{"default_pvid", "4095", bus.Range},
		{"1/pvid", "4095", bus.Range},
		{"1/vlans", "0", bus.Range},
		{"1/vlans", "4095", bus.Range},
		{"1/vlans", "10-", bus.Invalid},
		{"1/vlans", "-10", bus.Invalid},
		{"1/vlans", "20-10", bus.Invalid},
		{"1/vlans", "1-5000", bus.Range},
		{"1/vlans", "10,none", bus.Invalid},
		{"1/vlans", ",", bus.Invalid},
		{"1/tpid", "0x9100", bus.Invalid},
		{"1/storm", "broadcast=0", bus.Range},
		{"1/storm", "broadcast=100000001", bus.Range},
		{"1/storm", "broadcast=5 unicast=5", bus.Invalid}, // all or nothing
		{"1/storm", "broadcast=5 multicast=x", bus.Invalid},
		{"1/storm", "off broadcast=5", bus.Invalid},
		{"1/stp", "cost=0", bus.Range},
		{"1/stp", "cost=200000001", bus.Range},
		{"1/stp", "priority=241", bus.Range},
		{"1/stp", "priority=100", bus.Range}, // not a multiple of 16
		{"1/stp", "edge=maybe", bus.Invalid},
		{"1/stp", "p2p=", bus.Invalid},
		{"1/stp", "guard", bus.Invalid},
		{"1/stp", "cost=5 colour=red", bus.Invalid},
		{"1/stp", "rstp", bus.Invalid},
		{"stp", "mstp", bus.Invalid},
		{"stp", "rstp priority=100", bus.Range}, // not a multiple of 4096
		{"stp", "priority=65536", bus.Range},
		{"stp", "hello=3", bus.Range},
		{"stp", "max_age=5", bus.Range},
		{"stp", "forward_delay=3", bus.Range},
		{"stp", "rstp max_age=20 forward_delay=4", bus.Range}, // 802.1D 17.14
		{"stp", "tx_hold=11", bus.Range},
		{"stp", "mac=01:00:00:00:00:01", bus.Invalid},
		{"stp", "mac=", bus.Invalid},
		{"stp", "rstp colour=red", bus.Invalid},
		{"stp", "rstp hello", bus.Invalid},
		{"stp", "per-vlan", bus.Invalid}, // there are no VLANs
	}...)
	l.checkRefusals(list)
	l.set("vlan=on", "stp=per-vlan")
	l.checkRefusals([]refusal{{"vlan", "off", bus.Busy}})
}

func TestArguments(t *testing.T) {
	l := newLab(t, Name+" ageing=60 vlan=on fdb_max=10 damping=3 snooping=on default_pvid=7", 1)
	for name, want := range map[string]string{"default_pvid": "7", "1/pvid": "7", "ageing": "60", "vlan": "on", "fdb_max": "10", "damping": "3", "snooping": "on"} {
		l.want(name, want)
	}
	for _, c := range []struct {
		args map[string]string
		kind bus.Kind
	}{
		{map[string]string{"ageing": "x"}, bus.Invalid},
		{map[string]string{"ageing": "1000001"}, bus.Range},
		{map[string]string{"vlan": ""}, bus.Invalid},
		{map[string]string{"colour": "red"}, bus.Invalid},
		{map[string]string{"stp": "rstp"}, bus.Invalid},
		{map[string]string{"pvid": "1"}, bus.Invalid},
		{map[string]string{"ageing": "60", "colour": "red"}, bus.Invalid},
	} {
		_, err := New(c.args)
		wantKind(t, Name, err, c.kind)
	}
}

// A change of the argument "vlan" at run time forgets what was learned: the
// addresses are known by VLAN.
func TestVLANSwitchFlushes(t *testing.T) {
	l := newLab(t, Name, 2)
	l.at(1).say(toAll, "x")
	l.set("vlan=off") // no change
	l.want("fdb", entry(macOf(1), 0, 1, 0))
	l.set("vlan=on")
	l.want("fdb", "")
	l.at(1).say(toAll, "x")
	l.want("fdb", entry(macOf(1), 1, 1, 0))
	l.set("vlan=off")
	l.want("fdb", "")
}
