package hostile

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// full is how many addresses a table can hold; the race detector takes too
// long for that.
var full = map[bool]int{false: 1 << 20, true: 1 << 16}[harness.Race]

// fullTable makes a network whose switch knows as many addresses as it can.
func (a *attacker) fullTable() {
	dir := a.network("fdb", "policy switch", fmt.Sprint("switch/fdb_max ", full), "switch/ageing 0")
	a.fill(dir, full)
}

// first is a set-up that the first process alone does.
func first(setup func(*attacker)) func(*attacker) {
	return func(a *attacker) {
		if a.index == 0 {
			setup(a)
		}
	}
}

// onSwitches are attacks on what a switch knows.
var onSwitches = []attack{
	{
		name:  "fdb-read", // while ports come and go
		procs: 3,
		setup: first((*attacker).fullTable),
		step: func(a *attacker) {
			if a.index == 0 {
				a.peek("/fdb/switch/fdb")
				return
			}
			a.visit("/fdb/port")
		},
		known: "a report of the table is made under the network's lock",
	},
	{
		name:  "fdb-stat", // the size is that of the text
		procs: 3,
		setup: first((*attacker).fullTable),
		step: func(a *attacker) {
			if a.index == 0 {
				var st unix.Stat_t
				_ = unix.Stat(a.dir+"/fdb/switch/fdb", &st)
				return
			}
			a.visit("/fdb/port")
		},
		known: "a report of the table is made under the network's lock",
	},
	{
		name:  "fdb-close", // ports of a full table leave
		procs: 6,
		setup: first((*attacker).fullTable),
		step:  func(a *attacker) { a.visit("/fdb/port") },
	},
	{
		name:  "fdb-full-close", // and it is the one that has filled it
		setup: (*attacker).fullTable,
		step: func(a *attacker) {
			unix.Close(a.door)
			a.fill(a.dir+"/fdb", full/4)
		},
	},
	{
		name:  "trees", // a tree a VLAN on thousands of ports, off and on, while ports come and go
		procs: 2,
		setup: first(func(a *attacker) { a.trees(1000, 128) }),
		step: func(a *attacker) {
			if a.index == 0 {
				a.set(a.dir+"/trees/switch/stp", []string{"per-vlan", "off"}[a.count%2])
				return
			}
			a.visit("/trees/port")
		},
	},
	{
		name: "trees-leave", // ports of all trees leave, under ticks
		setup: func(a *attacker) {
			a.trees(1000, 8)
			a.set(a.dir+"/trees/switch/stp", "per-vlan hello=1")
		},
		step: func(a *attacker) {
			if len(a.fds) > 0 {
				unix.Close(a.fds[len(a.fds)-1])
				a.fds = a.fds[:len(a.fds)-1]
			}
			a.visit("/trees/port")
		},
	},
	{
		name: "trees-ticks", // as many ports in as many trees as there may be
		setup: func(a *attacker) {
			a.trees(2000, 4)
			a.set(a.dir+"/trees/switch/stp", "per-vlan hello=1")
		},
		step: func(a *attacker) { a.peek("/trees/switch/stp") },
	},
	{
		name:  "policy-swaps",
		procs: 2,
		setup: first(func(a *attacker) { a.crowd(5000, "port", "policy switch") }),
		step: func(a *attacker) {
			if a.index > 0 {
				a.visit("/crowd0/port")
				return
			}
			a.set(a.dir+"/crowd0/policy", []string{"broadcast", "switch"}[a.count%2])
		},
	},
	{
		name:  "flood", // addresses without end: who talks is still known
		setup: func(a *attacker) {},
		step: func(a *attacker) {
			if a.door == 0 { // check makes the network
				a.door, _ = unix.Open(a.dir+"/flat/stream", unix.O_WRONLY|unix.O_CLOEXEC, 0)
				a.door = max(a.door, 0)
			} else {
				send(a.door, stations("\x02\xbb\xbb\x00\x00\x01", a.count*1000, 1000))
			}
			time.Sleep(10 * time.Millisecond)
		},
		check: talkUnderFlood,
	},
}

// trees makes a network whose ports are all in all VLANs.
func (a *attacker) trees(ports, vlans int) {
	dir := a.network("trees", "maxports 65536", "policy switch", "switch/vlan on", "queue 1")
	for vlan := 2; vlan <= vlans; vlan++ {
		a.set(dir+"/switch/vlans", fmt.Sprint("add ", vlan))
	}
	for i := range a.open(ports, dir+"/port", unix.O_RDONLY) {
		a.set(fmt.Sprintf("%s/ports/%d/vlans", dir, i+1), "all")
	}
}

// peek opens a report, which makes it, and reads a byte.
func (a *attacker) peek(path string) {
	fd, err := unix.Open(a.dir+path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = unix.Read(fd, make([]byte, 1))
	unix.Close(fd)
}
