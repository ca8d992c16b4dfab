package hostile

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// onJoined are attacks with networks that are joined by ipn cables: one frame is work in
// all of them.
var onJoined = []attack{
	{
		name: "ipn-mesh", // each to each, in groups of their own, with those who do not read
		setup: func(a *attacker) {
			const count = 12
			name := func(i int) string { return fmt.Sprint("mesh", i) }
			for i := range count {
				dir := a.network(name(i), "overflow drop-old")
				a.crowdIn(dir, 100)
			}
			for i := range count {
				for k := i + 1; k < count; k++ {
					a.set(a.dir+"/"+name(i)+"/cable", fmt.Sprintf("ipn://%s group=g%d-%d", name(k), i, k))
				}
			}
			a.sender(a.dir + "/" + name(0) + "/stream")
			a.text = tiny()
		},
		step: func(a *attacker) { send(a.door, a.text) },
	},
	{
		name: "ipn-star", // one network with cables to hundreds
		setup: func(a *attacker) {
			a.network("hub", "overflow drop-old", "queue 4096")
			for i := range 300 {
				dir := a.network(fmt.Sprint("leaf", i), "overflow drop-old")
				a.crowdIn(dir, 10)
				a.set(a.dir+"/hub/cable", fmt.Sprint("ipn://leaf", i))
			}
			a.sender(a.dir + "/hub/stream")
			a.text = tiny()
		},
		step: func(a *attacker) { send(a.door, a.text) },
	},
	{
		name:  "ipn-rings", // of networks that make senders wait
		procs: 3,
		setup: func(a *attacker) {
			name := func(i int) string { return fmt.Sprint("ring", a.index, "-", i%30) }
			for i := range 30 {
				dir := a.network(name(i), "overflow block", "queue 1000")
				a.crowdIn(dir, 10)
			}
			for i := range 30 {
				a.set(a.dir+"/"+name(i)+"/cable", fmt.Sprintf("ipn://%s group=g%d", name(i+1), i))
			}
			for i := range 30 {
				a.doors = append(a.doors, a.open(1, a.dir+"/"+name(i)+"/port", unix.O_WRONLY|unix.O_NONBLOCK)...)
			}
		},
		step: func(a *attacker) { // it is refused while somebody is full
			_, _ = unix.Write(a.doors[a.count%len(a.doors)], []byte("x"))
		},
	},
}
