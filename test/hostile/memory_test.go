package hostile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// little makes attacks on memory quick.
var little = []string{"mem=64M"}

// onMemory are attacks on what the daemon holds.
var onMemory = []attack{
	{
		name: "rings", options: little, // of queues: a place for each of 65,536 frames
		setup: func(a *attacker) {
			a.crowd(400, "stream", "queue 65536")
			a.text = tiny()
		},
		step: func(a *attacker) { send(a.door, a.text) },
	},
	{
		name: "port-tables", options: little, // a high number needs a place for all below
		setup: func(a *attacker) {
			for i := range 300 {
				dir := a.network(fmt.Sprint("high", i), "maxports 65536")
				_ = os.Mkdir(dir+"/ports/65536", 0o755)
			}
		},
		step: func(a *attacker) { // higher and lower
			dir := fmt.Sprintf("%s/high%d/ports/", a.dir, a.count%300)
			_, _ = os.Mkdir(dir+"65535", 0o755), unix.Rmdir(dir+"65536")
			_, _ = os.Mkdir(dir+"65536", 0o755), unix.Rmdir(dir+"65535")
		},
	},
	{
		name: "fdbs", options: little, // tables of addresses
		setup: func(a *attacker) {
			for i := range 6 {
				dir := a.network(fmt.Sprint("fdb", i), "policy switch", "switch/fdb_max 1048576")
				a.fill(dir, full)
			}
		},
		step:  func(a *attacker) { a.fill(fmt.Sprint(a.dir, "/fdb", a.count%6), piece/16) },
		known: "the tables of a policy are not under mem=",
	},
	{
		name: "texts", options: little, // each report is as it was when it was opened
		setup: func(a *attacker) {
			dir := a.network("fdb", "policy switch")
			a.fill(dir, 65536)
		},
		step: func(a *attacker) { a.hold("/fdb/switch/fdb") },
	},
	{
		name: "small-texts", options: little,
		procs: 2,
		setup: func(a *attacker) { a.crowd(1000, "port") },
		step:  func(a *attacker) { a.hold(fmt.Sprintf("/crowd%d/ports", a.index)); a.hold("/metrics") },
	},
	{
		name: "directories", options: little, // as they were when they were opened
		procs: 2,
		setup: func(a *attacker) {
			for i := range 500 {
				a.network(fmt.Sprintf("directory-with-a-long-name-%d-%d", a.index, i))
			}
		},
		step: func(a *attacker) { a.hold("/") },
	},
	{
		name: "half-frames", options: little, // a stream keeps the begin of a frame
		setup: func(a *attacker) {
			a.network("half", "maxports 65536")
			a.text = append([]byte{0xff, 0xff}, make([]byte, 60000)...)
		},
		step: func(a *attacker) {
			if w := a.open(1, a.dir+"/half/stream", unix.O_WRONLY); len(w) > 0 {
				_, _ = unix.Write(w[0], a.text)
			}
		},
	},
	{
		name: "trees-memory", options: little, // a port a tree
		setup: func(a *attacker) {},
		step: func(a *attacker) {
			if a.count == 0 {
				a.trees(500, 128)
				a.set(a.dir+"/trees/switch/stp", "per-vlan")
			}
		},
	},
	{
		name: "groups-memory", options: little, // groups that are asked for
		setup: func(a *attacker) {
			dir := a.network("groups", "policy switch", "mtu 65535", "switch/snooping on")
			a.sender(dir + "/port")
		},
		step: func(a *attacker) { _, _ = unix.Write(a.door, report(uint32(a.count))) },
	},
}

// hold opens a file or directory, reads from it, and keeps it open.
func (a *attacker) hold(path string) {
	fd, err := unix.Open(a.dir+path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	a.fds = append(a.fds, fd)
	buf := make([]byte, 1024)
	if _, err := unix.Read(fd, buf); err != nil {
		_, _ = unix.Getdents(fd, buf)
	}
}
