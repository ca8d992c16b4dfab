package hostile

import "golang.org/x/sys/unix"

// onEvents are attacks with subscriptions: one event is many lines.
var onEvents = []attack{
	{
		name:  "events-joins",
		procs: 4,
		setup: func(a *attacker) {
			a.open(4000, a.network("events")+"/events", unix.O_RDONLY)
		},
		step: func(a *attacker) { a.visit("/events/port") },
	},
	{
		name: "events-learned", // a line a subscriber for each frame of a write
		setup: func(a *attacker) {
			dir := a.network("events", "policy switch")
			a.sender(dir + "/stream")
			a.open(1000, dir+"/events", unix.O_RDONLY)
		},
		step: func(a *attacker) {
			send(a.door, stations(everybody, a.count*20000, 20000))
		},
		known: "lines of events are made on the thread of frames, for each subscriber anew",
	},
	{
		name:    "events-stranger", // of the victim's network, and never read
		options: []string{"mem=64M"},
		setup:   func(a *attacker) { a.open(3000, a.dir+plain+"/events", unix.O_RDONLY) },
		known:   "what a subscriber does not read is charged to the network, whoever he is",
	},
	{
		name: "joins-many", // the list of connections grows with each
		setup: func(a *attacker) {
			a.open(5000, a.network("joins", "maxports 65536")+"/port", unix.O_RDONLY)
		},
		step: func(a *attacker) { a.visit("/joins/port") },
	},
}

// visit opens a file and closes it.
func (a *attacker) visit(path string) {
	fd, err := unix.Open(a.dir+path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if !refused(err) {
			fail(err)
		}
		return
	}
	unix.Close(fd)
}
