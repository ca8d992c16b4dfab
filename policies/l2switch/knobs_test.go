package l2switch

import (
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/fail"
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
			list = append(list, refusal{name, text, fail.Invalid})
		}
	}
	list = append(list, []refusal{
		{"ageing", "1000001", fail.Range},
		{"ageing", "99999999999999999999", fail.Range},
		{"fdb_max", "0", fail.Range},
		{"fdb_max", "1048577", fail.Range},
		{"damping", "1000001", fail.Range},
		{"vlan", "ON", fail.Invalid},
		{"vlan", "1", fail.Invalid},
		{"default_pvid", "4095", fail.Range},
		{"1/pvid", "4095", fail.Range},
		{"1/vlans", "0", fail.Range},
		{"1/vlans", "4095", fail.Range},
		{"1/vlans", "10-", fail.Invalid},
		{"1/vlans", "-10", fail.Invalid},
		{"1/vlans", "20-10", fail.Invalid},
		{"1/vlans", "1-5000", fail.Range},
		{"1/vlans", "10,none", fail.Invalid},
		{"1/vlans", ",", fail.Invalid},
		{"1/tpid", "0x9100", fail.Invalid},
		{"1/storm", "broadcast=0", fail.Range},
		{"1/storm", "broadcast=100000001", fail.Range},
		{"1/storm", "broadcast=5 unicast=5", fail.Invalid}, // all or nothing
		{"1/storm", "broadcast=5 multicast=x", fail.Invalid},
		{"1/storm", "off broadcast=5", fail.Invalid},
		{"1/stp", "cost=0", fail.Range},
		{"1/stp", "cost=200000001", fail.Range},
		{"1/stp", "priority=241", fail.Range},
		{"1/stp", "priority=100", fail.Range}, // not a multiple of 16
		{"1/stp", "edge=maybe", fail.Invalid},
		{"1/stp", "p2p=", fail.Invalid},
		{"1/stp", "guard", fail.Invalid},
		{"1/stp", "cost=5 colour=red", fail.Invalid},
		{"1/stp", "rstp", fail.Invalid},
		{"stp", "mstp", fail.Invalid},
		{"stp", "rstp priority=100", fail.Range}, // not a multiple of 4096
		{"stp", "priority=65536", fail.Range},
		{"stp", "hello=3", fail.Range},
		{"stp", "max_age=5", fail.Range},
		{"stp", "forward_delay=3", fail.Range},
		{"stp", "rstp max_age=20 forward_delay=4", fail.Range}, // 802.1D 17.14
		{"stp", "tx_hold=11", fail.Range},
		{"stp", "mac=01:00:00:00:00:01", fail.Invalid},
		{"stp", "mac=", fail.Invalid},
		{"stp", "rstp colour=red", fail.Invalid},
		{"stp", "rstp hello", fail.Invalid},
		{"stp", "per-vlan", fail.Invalid}, // there are no VLANs
	}...)
	l.checkRefusals(list)
	l.set("vlan=on", "stp=per-vlan")
	l.checkRefusals([]refusal{{"vlan", "off", fail.Busy}})
}

func TestArguments(t *testing.T) {
	l := newLab(t, Name+" ageing=60 vlan=on fdb_max=10 damping=3 snooping=on default_pvid=7", 1)
	for name, want := range map[string]string{"default_pvid": "7", "1/pvid": "7", "ageing": "60", "vlan": "on", "fdb_max": "10", "damping": "3", "snooping": "on"} {
		l.want(name, want)
	}
	for _, c := range []struct {
		args map[string]string
		kind fail.Kind
	}{
		{map[string]string{"ageing": "x"}, fail.Invalid},
		{map[string]string{"ageing": "1000001"}, fail.Range},
		{map[string]string{"vlan": ""}, fail.Invalid},
		{map[string]string{"colour": "red"}, fail.Invalid},
		{map[string]string{"stp": "rstp"}, fail.Invalid},
		{map[string]string{"pvid": "1"}, fail.Invalid},
		{map[string]string{"ageing": "60", "colour": "red"}, fail.Invalid},
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
