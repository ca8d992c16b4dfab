package hostile

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// onWaits are attacks by calls that wait.
var onWaits = []attack{
	{
		name:  "readers-killed", // each interrupted read must be found among all
		procs: 4,
		kills: true,
		setup: func(a *attacker) {
			dir := a.network("waits", "maxports 65536")
			a.readers(2000, dir)
			if a.index == 3 { // the last
				a.forget(dir)
			}
		},
	},
	{
		name:  "senders-waiting", // they all try again for each frame that is taken
		procs: 3,
		setup: func(a *attacker) {
			dir := a.network(fmt.Sprint("block", a.index), "maxports 65536", "overflow block", "queue 1")
			a.open(200, dir+"/port", unix.O_RDONLY)
			var begun sync.WaitGroup
			for _, fd := range a.open(1000, dir+"/port", unix.O_WRONLY) {
				begun.Add(1)
				go func() {
					begun.Done()
					for {
						if _, err := unix.Write(fd, []byte("wait")); err != nil {
							return
						}
					}
				}()
			}
			begun.Wait()
		},
		step: func(a *attacker) { // one by one, each of the 200
			_, _ = unix.Read(a.fds[a.count%min(200, len(a.fds))], make([]byte, 64))
		},
		known: "all who wait to send try again for each frame that is taken, on the thread of frames",
	},
	{
		name:  "readers-stopped", // SIGSTOP: they never take what they wait for
		procs: 3,
		stops: true,
		setup: func(a *attacker) {
			dir := a.network("stopped", "maxports 65536", "overflow drop-old")
			if a.index > 0 {
				a.readers(500, dir)
				return
			}
			a.sender(dir + "/stream")
			a.text = tiny()
		},
		step: func(a *attacker) { send(a.door, a.text) },
	},
	{
		name:  "writers-killed", // with a megabyte under way each
		procs: 2,
		kills: true,
		setup: func(a *attacker) {
			dir := a.network("writers", "maxports 65536", "overflow block", "queue 1")
			a.open(1, dir+"/port", unix.O_RDONLY)
			text := tiny()
			var begun sync.WaitGroup
			for _, fd := range a.open(1000, dir+"/stream", unix.O_WRONLY) {
				begun.Add(1)
				go func() {
					begun.Done()
					_, _ = unix.Write(fd, text)
				}()
			}
			begun.Wait()
		},
	},
}
