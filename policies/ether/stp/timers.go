package stp

// migrateTime is Migrate Time (table 17-1), in seconds.
const migrateTime = 3

// inFlight is how long a BPDU may be on its way, in ticks: at least a second.
const inFlight = 2

// timers count down to 0, in seconds (17.17). txCount counts BPDUs, and down
// likewise.
type timers struct {
	edgeDelayWhile int // no BPDU for so long: an edge
	fdWhile        int // until a port may learn, or forward, that nobody agreed to
	helloWhen      int
	mdelayWhile    int // how long a port sticks to one protocol
	rbWhile        int // since the port was a backup port
	rcvdInfoWhile  int // until received information is too old
	rrWhile        int // since the port was the root port
	tcWhile        int // how long a topology change is told
	txCount        int // BPDUs sent of late

	// Not in the standard; see the package comment.
	betterWhile int // since the port told better news
	doubtWhile  int // until an agreement surely is about the news of now
}

// tick is the Port Timers machine (17.22).
func (t *timers) tick() {
	for _, timer := range []*int{
		&t.edgeDelayWhile, &t.fdWhile, &t.helloWhen, &t.mdelayWhile, &t.rbWhile,
		&t.rcvdInfoWhile, &t.rrWhile, &t.tcWhile, &t.txCount,
		&t.betterWhile, &t.doubtWhile,
	} {
		if *timer > 0 {
			*timer--
		}
	}
}

// The values that timers start from (17.20).

func (p *port) helloTime() int { return p.designatedTimes.hello }
func (p *port) maxAge() int    { return p.designatedTimes.maxAge }
func (p *port) fwdDelay() int  { return p.designatedTimes.delay }

// forwardDelay is how long a port waits in each state that nobody agreed to:
// RSTP bridges will have objected within a hello time.
func (p *port) forwardDelay() int {
	if p.sendRSTP {
		return p.helloTime()
	}
	return p.fwdDelay()
}

// edgeDelay is how long no BPDU must be heard to take a port for an edge.
func (p *port) edgeDelay() int {
	if p.cfg.PointToPoint {
		return migrateTime
	}
	return p.maxAge()
}
