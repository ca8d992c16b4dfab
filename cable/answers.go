package cable

import (
	"time"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/cable/toobig"
	"ipnfs/lane"
)

// What is answered at once, and how long nothing is answered after each: no more than
// 100 a second.
const (
	answersAtOnce = 4
	answerPause   = 10 * time.Millisecond
)

// bridging is the policy whose frames are of Ethernet.
const bridging = "switch"

// answers tells who sent packets that are too long for the link, as a router would: see
// package toobig. It stands between a line's endpoint and its port. What is dropped is
// answered in place, under the lock of who would have received it, and sent by the lane.
type answers struct {
	*lane.Endpoint
	timer *lane.Timer

	// Guarded by the lock of the connection.
	ready   [answersAtOnce][]byte
	n       int  // that are ready
	resting bool // until the timer

	batch bus.Batch // the timer's
}

var _ bus.Oversized = (*answers)(nil)

func newAnswers(e *lane.Endpoint) *answers {
	a := &answers{Endpoint: e}
	a.batch.NoWait = true
	for i := range a.ready {
		a.ready[i] = make([]byte, 0, toobig.MaxLen)
	}
	a.timer = e.NewTimer(a.send)
	return a
}

// Oversize is bus.Oversized's.
func (a *answers) Oversize(f *frame.Frame, longest int) {
	if a.resting || a.n == len(a.ready) {
		return
	}
	answer, ok := toobig.Answer(a.ready[a.n][:0], f.Data(), longest)
	if !ok || a.told(answer) {
		return
	}
	a.ready[a.n] = answer
	if a.n++; a.n == 1 {
		a.timer.Reset(0)
	}
}

// told tells whether there is an answer for the same pair of stations, of whom one shall
// not speak for all.
func (a *answers) told(answer []byte) bool {
	const addresses = 12 // bytes of a frame
	for _, other := range a.ready[:a.n] {
		if string(other[:addresses]) == string(answer[:addresses]) {
			return true
		}
	}
	return false
}

// send is the timer's: the answers go, as if they came by the cable, and there is a
// pause, or the pause is over.
func (a *answers) send() {
	c := a.Conn()
	c.Lock()
	n := a.n
	a.resting = n > 0
	c.Unlock()
	if n == 0 {
		return
	}
	// While it rests the answers are this goroutine's.
	if p := c.Network().PolicyNow(); p != nil && p.Name() == bridging {
		for _, answer := range a.ready[:n] {
			if len(answer) <= c.Network().MTU() {
				a.batch.AddPlain(answer)
			}
		}
		c.Send(&a.batch)
		a.batch.Reset()
	}
	c.Lock()
	a.n = 0
	c.Unlock()
	a.timer.Reset(time.Duration(n) * answerPause)
}
