package stp

import "fmt"

// State is what a port does with frames (7.4).
type State uint8

// The states. Whatever the state, BPDUs are sent and received.
const (
	Discarding State = iota // frames are dropped, and nothing is learned
	Learning                // frames are dropped, but addresses are learned
	Forwarding
)

func (s State) String() string {
	return name(int(s), "discarding", "learning", "forwarding")
}

// Role is the part a port plays in the tree (17.7).
type Role uint8

// The roles.
const (
	Disabled   Role = iota
	Root            // leads to the root bridge
	Designated      // leads others to the root bridge
	Alternate       // blocked: would lead to the root, but worse than Root
	Backup          // blocked: another port of this bridge serves the LAN
)

func (r Role) String() string {
	return name(int(r), "disabled", "root", "designated", "alternate", "backup")
}

func name(i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%d", i)
}

// infoIs tells where a port's vector and times come from (17.19.10).
type infoIs uint8

const (
	infoDisabled infoIs = iota
	infoAged
	infoMine
	infoReceived
)

// port has the variables of 17.19, under the standard's names. Where one is
// missing, another says the same: learning and forwarding are the state,
// portEnabled is enabled(), portId is id.
type port struct {
	bridge *Bridge
	n      int
	id     PortID
	cfg    PortConfig

	up      bool // the owner says that frames can pass
	tripped bool // BPDU guard saw one

	state        State
	role         Role
	selectedRole Role

	infoIs infoIs
	msg    bpdu // msgPriority, msgTimes and the flags, as long as rcvdMsg

	designatedPriority vector
	designatedTimes    times
	portPriority       vector
	portTimes          times

	timers // 17.17

	agree, agreed       bool
	disputed            bool
	learn, forward      bool
	newInfo             bool
	operEdge            bool
	proposed, proposing bool
	rcvdMsg             bool
	rcvdRSTP, rcvdSTP   bool
	rcvdTc, rcvdTcAck   bool
	rcvdTcn             bool
	reRoot              bool
	selected, updtInfo  bool
	sendRSTP            bool
	sync, synced        bool
	tcAck, tcProp       bool

	migration migration
	topology  topology

	received, sent, invalid uint64 // BPDUs
}

// enabled is portEnabled (17.19.18).
func (p *port) enabled() bool { return p.up && !p.tripped }

// begin is what BEGIN does to one port: it is discarding and knows nothing.
func (p *port) begin() {
	b := p.bridge
	*p = port{
		bridge: b, n: p.n, id: makePortID(p.cfg.Priority, p.n), cfg: p.cfg,
		up: p.up, tripped: p.tripped,
		received: p.received, sent: p.sent, invalid: p.invalid,
		designatedTimes: b.rootTimes,
		operEdge:        p.cfg.AdminEdge,
		synced:          true,
	}
	p.edgeDelayWhile = migrateTime
	p.fdWhile = p.maxAge()
	p.checkRSTP()
	b.out.SetState(p.n, Discarding)
	b.out.Flush(p.n)
	b.reselect = true
}
