package lane

import "runtime"

// yieldEvery is after how many turns a thread gives way to Go's scheduler. A
// goroutine that never does so looks to Go's monitor thread like one that has
// run for too long: the monitor wakes every 20 us to preempt it. That cost 5 % of
// the operations of /dev/fuse, and made the slowest percent ten times slower.
const yieldEvery = 128

// Budget is how many copies of frames a turn may make, a few more at most, as
// others wait for theirs: a millisecond.
const Budget = 16 << 10

// Run calls turn on the caller's goroutine until it says that there is no more.
// A turn waits for work, by a call that Go's scheduler knows of, and does what
// there is. Whatever carries frames runs in one: each Lane, and who reads
// /dev/fuse, on a goroutine of its own.
func Run(turn func() (more bool)) {
	for n := 1; turn(); n++ {
		if n%yieldEvery == 0 {
			runtime.Gosched()
		}
	}
}
