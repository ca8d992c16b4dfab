package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

// text writes n, with no difference between an empty list and none, nor by who
// attached first.
func text(t *testing.T, n Network) string {
	t.Helper()
	slices.SortFunc(n.Attached, func(k, l Line) int { return strings.Compare(k.Text, l.Text) })
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "[]", "null")
}

var root = bus.Access{}

// scriptOf is the script of a network for who.
func scriptOf(b *bus.Bus, net *bus.Network, who bus.Access) string {
	return Script(bus.At{Bus: b, Network: net, UID: who.UID, GID: who.GID})
}

// A script reads as a person would write it.
func TestScript(t *testing.T) {
	b := newBus(t)
	net := mustMake(t, b, full())
	bench := &bustest.Recorder{}
	c, err := net.Join(bench, bus.JoinOptions{Number: 12, Make: true, Recv: true, Name: "a program"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := `mkdir -m 740 lan
echo 1500 >lan/mtu
echo 10 >lan/queue
echo block >lan/overflow
echo 2000 >lan/maxports
echo 0 >lan/persist
echo raw >lan/linktype
echo 'switch ageing=60 vlan=on' >lan/policy
echo 61 >lan/switch/ageing
echo 1000 >lan/switch/fdb_max
echo 3 >lan/switch/damping
echo 0x4000 >lan/switch/group_forward
echo off >lan/switch/fastpath
echo 9 >lan/switch/default_pvid
echo on >lan/switch/snooping
echo on >lan/switch/fast_leave
echo 'add 20 name=' >lan/switch/vlans
echo 'add 30 name=büro' >lan/switch/vlans
echo 'per-vlan priority=4096 hello=1 max_age=10 forward_delay=8 tx_hold=3 mac=02:00:00:00:00:99' >lan/switch/stp
mkdir lan/ports/3
mkdir lan/ports/7
echo 'a printer' >lan/ports/7/name
echo '1 2000' >lan/ports/7/mirror
mkdir lan/ports/2000
chmod 600 lan/ports/2000/port
chown 1:2 lan/ports/2000/port
echo trunk >lan/ports/2000/name
echo 7 >lan/ports/2000/queue
echo drop-old >lan/ports/2000/overflow
echo 20 >lan/ports/2000/pvid
echo 10-12,30 >lan/ports/2000/vlans
echo 0x88a8 >lan/ports/2000/tpid
echo on >lan/ports/2000/isolated
echo 'broadcast=5 multicast=off unknown=7' >lan/ports/2000/storm
echo 10 >lan/ports/2000/fdb_max
echo on >lan/ports/2000/mrouter
echo 'cost=100 priority=16 edge=auto p2p=off guard=on root_guard=off' >lan/ports/2000/stp
echo 'eth0 port=1' >lan/plug
echo 'eth1 port=7' >lan/plug
chmod 640 lan/ports/1/port
chown 3:4 lan/ports/1/port
echo uplink >lan/ports/1/name
echo 30 >lan/ports/1/vlans
echo 'cost=5 priority=128 p2p=on guard=off' >lan/ports/1/stp
echo 'add 02:00:00:00:00:01 port=1 vlan=1' >lan/switch/fdb
echo 'add 02:00:00:00:00:07 port=7 vlan=30' >lan/switch/fdb
chown 7:8 lan/port
chown 5:6 lan
chmod 764 lan/port
chmod 2750 lan
`
	if got := scriptOf(b, net, root); got != want {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
}

// A network with nothing set is one line, and so is an address that was drawn
// nothing to tell of.
func TestScriptFresh(t *testing.T) {
	alice := bus.Access{UID: 5, GID: 6}
	for _, c := range []struct {
		name, policy string
		dir, door    uint32
		who          bus.Access
		want         string
	}{
		{"lan", "broadcast", 0o755, 0o744, alice, "mkdir lan\n"},
		{"lan", "broadcast", 0o755, 0o744, root, "mkdir -m 744 lan\nchown 5:6 lan lan/port\nchmod 755 lan\n"},
		{"lan", "broadcast", 0o755, 0o744, bus.Access{UID: 5, GID: 9}, "mkdir -m 744 lan\nchgrp 6 lan lan/port\nchmod 755 lan\n"},
		{"lan", "switch", 0o755, 0o744, alice, "mkdir -m 744 lan\necho switch >lan/policy\nchmod 755 lan\n"},
		{"lan", "broadcast", 0o700, 0o700, alice, "mkdir -m 700 lan\n"},
		{"lan", "broadcast", 0o775, 0o764, alice, "mkdir -m 775 lan\n"},
		{"lan", "broadcast", 0o755, 0o600, alice, "mkdir -m 700 lan\nchmod 600 lan/port\nchmod 755 lan\n"},
		{"lan", "broadcast", 0o1777, 0o766, alice, "mkdir -m 766 lan\nchmod 1777 lan\n"},
		{"lan", "broadcast", 0o511, 0o044, alice, "mkdir -m 700 lan\nchmod 044 lan/port\nchmod 511 lan\n"},
		{"-rf", "broadcast", 0o755, 0o744, alice, "mkdir ./-rf\n"},
		{"$a'b", "broadcast", 0o755, 0o744, alice, `mkdir '$a'\''b'` + "\n"},
	} {
		b := newBus(t)
		net, err := b.Create(c.name, c.policy, bus.Access{Mode: c.dir, UID: 5, GID: 6}, bus.Access{Mode: c.door, UID: 5, GID: 6})
		if err != nil {
			t.Fatal(err)
		}
		if got := scriptOf(b, net, c.who); got != c.want {
			t.Errorf("%+v: it is\n%s", c, got)
		}
	}
}

// What is attached comes back whatever it is called; of what cannot be attached again
// a comment tells, and of a network that has ended nothing.
func TestScriptAttached(t *testing.T) {
	b, again := newBus(t), newBus(t)
	net := mustMake(t, b, Network{
		Name: "lan", Dir: bus.Access{Mode: 0o700}, Door: bus.Access{Mode: 0o700}, Policy: "broadcast",
		Attached: parse("plug: lost1 port=2", `plug: cmd://sh%20-c%20'echo$x|cat>"y"&'?a=\n port=3`, "plug: lost2 port=4", "plug: tls://[::1]:1?pin=%25&key=~/k port=5"),
	})
	if _, err := net.Reserve(9); err != nil {
		t.Fatal(err)
	}
	want := `mkdir -m 700 lan
mkdir lan/ports/9
printf '%s\n' 'cmd://sh%20-c%20'\''echo$x|cat>"y"&'\''?a=\n port=3' >lan/plug
echo 'tls://[::1]:1?pin=%25&key=~/k port=5' >lan/plug
`
	lost := "# plug at port 2 is left out: nobody could find it again\n# plug at port 4 is left out: nobody could find it again\n"
	script := scriptOf(b, net, root)
	if script != want+lost {
		t.Errorf("it is\n%s", script)
	}
	(&shell{t: t, b: again}).run(script)
	if got := scriptOf(again, again.Network("lan"), root); got != want {
		t.Errorf("it is again\n%s", got)
	}
	net.End()
	if got := scriptOf(b, net, root); got != "" {
		t.Errorf("it has ended, and is\n%s", got)
	}
	unplug(net)
}

// What another user attached he attaches again, in the end, and by his own rights; if
// he may not any more, what is for that port is left out.
func TestScriptLent(t *testing.T) {
	b, again := newBus(t), newBus(t)
	net := mustMake(t, b, Network{
		Name: "$lan", Dir: bus.Access{Mode: 0o700}, Door: bus.Access{Mode: 0o710}, Policy: "switch",
		Ports: []Port{{Number: 3, Reserved: true}},
	})
	for number, uid := range []uint32{0, 5, 6, 7} {
		by := bus.Caller{Info: bus.Info{UID: uid, GID: uid + 1}}
		if err := plugged.Attach(net, by, fmt.Sprintf("'p$%d port=%d", number, number+1)); err != nil {
			t.Fatal(err)
		}
	}
	lines := parse("$lan/ports/1/name: one", "$lan/ports/2/name: two", "$lan/ports/3/name: three",
		"$lan/switch/fdb: add 02:00:00:00:00:01 port=1 vlan=0", "$lan/switch/fdb: add 02:00:00:00:00:03 port=3 vlan=0")
	for _, l := range lines {
		if err := (&shell{t: t, b: b}).write(l.File, l.Text, root); err != nil {
			t.Fatal(l, err)
		}
	}
	want := `mkdir -m 700 '$lan'
echo switch >'$lan/policy'
mkdir '$lan/ports/3'
echo three >'$lan/ports/3/name'
echo ''\''p$0 port=1' >'$lan/plug'
echo one >'$lan/ports/1/name'
echo 'add 02:00:00:00:00:01 port=1 vlan=0' >'$lan/switch/fdb'
chmod 710 '$lan/port'
echo ''\''p$1 port=2' | setpriv --reuid=5 --regid=6 --init-groups dd of='$lan/plug' status=none &&
	echo two >'$lan/ports/2/name' || true
echo ''\''p$2 port=3' | setpriv --reuid=6 --regid=7 --init-groups dd of='$lan/plug' status=none &&
	echo 'add 02:00:00:00:00:03 port=3 vlan=0' >'$lan/switch/fdb' || true
echo ''\''p$3 port=4' | setpriv --reuid=7 --regid=8 --init-groups dd of='$lan/plug' status=none || true
`
	script := scriptOf(b, net, root)
	if script != want {
		t.Errorf("it is\n%s", script)
	}
	(&shell{t: t, b: again}).run(script)
	if got := scriptOf(again, again.Network("$lan"), root); got != want {
		t.Errorf("it is again\n%s", got)
	}
	if got := scriptOf(b, net, bus.Access{UID: 6}); !strings.Contains(got, "p$2 port=3' >") || !strings.Contains(got, "p$0 port=1' | setpriv --reuid=0") {
		t.Errorf("for user 6 it is\n%s", got)
	}
}

// What was set and is as it was before is not told.
func TestScriptSetBack(t *testing.T) {
	b := newBus(t)
	net, err := b.Create("lan", "switch default_pvid=5", bus.Access{Mode: 0o755}, bus.Access{Mode: 0o744})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.Reserve(3); err != nil {
		t.Fatal(err)
	}
	for _, l := range parse("lan/ports/3/isolated: on", "lan/ports/3/isolated: off", "lan/ports/3/name: x", "lan/switch/ageing: 5", "lan/switch/ageing: 300",
		"lan/switch/default_pvid: 9", "lan/ports/3/pvid: 9") {
		if err := (&shell{t: t, b: b}).write(l.File, l.Text, root); err != nil {
			t.Fatal(l, err)
		}
	}
	want := "mkdir -m 744 lan\necho 'switch default_pvid=5' >lan/policy\necho 9 >lan/switch/default_pvid\nmkdir lan/ports/3\necho x >lan/ports/3/name\nchmod 755 lan\n"
	if got := scriptOf(b, net, root); got != want {
		t.Errorf("it is\n%s", got)
	}
}

// Whatever was set on a network, its script makes one that is given the same, and
// has the same script. While it is made nobody else gets in, and nobody ever has
// more rights than in the end.
func TestScriptAgain(t *testing.T) {
	lines := 0
	for seed := range int64(300) {
		b, again := newBus(t), newBus(t)
		net, _ := random(t, b, seed)
		if err := b.Rename(net.Name(), []string{"lan", "-x", "~", "a'b$c", "é&\\n"}[seed%5]); err != nil {
			t.Fatal(err)
		}
		c, err := net.Join(&bustest.Recorder{}, bus.JoinOptions{Recv: true, Name: "a program"})
		if err != nil {
			t.Fatal(err)
		}
		who := bus.Access{UID: uint32(seed % 4), GID: uint32(seed % 3)}
		script := scriptOf(b, net, who)
		dir, door := net.Access()
		s := &shell{t: t, b: again, who: who}
		inside, block := true, false
		theirs := func(line string) bool {
			was := block
			block = strings.HasSuffix(line, " &&\n")
			return strings.Contains(line, " | setpriv ") || was && line[0] == '\t'
		}
		s.watch = func(line string) {
			now := again.Network(net.Name())
			nowDir, nowDoor := now.Access()
			if more := nowDir.Mode&^dir.Mode&0o077 | nowDoor.Mode&^door.Mode&0o077; more != 0 {
				t.Errorf("seed %d: after %s the rights are %03o and %03o", seed, line, nowDir.Mode, nowDoor.Mode)
			}
			if !theirs(line) && !inside {
				t.Errorf("seed %d: before %s others get in", seed, line)
			}
			inside = nowDir.Mode&0o011 == 0
		}
		s.run(script)
		made := again.Network(net.Name())
		if got := scriptOf(again, made, who); got != script {
			t.Fatalf("seed %d: it was\n%s\nand is again\n%s", seed, script, got)
		}
		was, _ := given(net)
		is, _ := given(made)
		if was, is := text(t, was), text(t, is); is != was {
			t.Fatalf("seed %d: it was\n%s\nand is again\n%s", seed, was, is)
		}
		lines += strings.Count(script, "\n")
		c.Close()
	}
	if lines < 5000 {
		t.Errorf("only %d lines", lines)
	}
}
