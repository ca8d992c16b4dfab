package l2switch

import (
	"encoding/binary"
	"slices"
	"sync/atomic"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/stp"
	"ipnfs/policies/ether/vlan"
)

// stpMode says how many spanning trees there are.
type stpMode uint8

const (
	stpOff stpMode = iota
	stpOne
	stpPerVLAN
)

var stpModes = []string{"off", "rstp", "per-vlan"}

// maxTrees bounds the trees of a switch with one for each VLAN, maxTreePorts
// the ports of all trees together, as each has machines that run at every change
// of its tree, and maxBPDUs the BPDUs that a port may bring in a second: each
// costs a lock.
const (
	maxTrees     = 128
	maxTreePorts = 8192
	maxBPDUs     = 200
)

// spanning is the switch's part in spanning trees.
type spanning struct {
	config stp.Config
	drawn  bool             // config.MAC was drawn, and nobody set another
	trees  map[uint16]*tree // by VLAN; 0: the one tree
	placed int              // ports in all trees together
	stated int              // ports with states
	missed bool             // some port found no place in a tree
	retry  bool             // and there may be one now
}

// states is what a port may do in each VLAN: stp.State by two sets of them, of
// which the first is part of the second.
type states struct{ forwarding, learning [vlan.IDs / 64]atomic.Uint64 }

func (s *states) get(vlan uint16) stp.State {
	i, bit := vlan>>6, uint64(1)<<(vlan&63)
	switch {
	case s.forwarding[i].Load()&bit != 0:
		return stp.Forwarding
	case s.learning[i].Load()&bit != 0:
		return stp.Learning
	}
	return stp.Discarding
}

// set is called under the network's lock. At no moment is more allowed than
// before and afterwards.
func (s *states) set(vlan uint16, state stp.State) {
	i, bit := vlan>>6, uint64(1)<<(vlan&63)
	if state != stp.Forwarding {
		s.forwarding[i].And(^bit)
	}
	if state == stp.Discarding {
		s.learning[i].And(^bit)
	} else {
		s.learning[i].Or(bit)
	}
	if state == stp.Forwarding {
		s.forwarding[i].Or(bit)
	}
}

// tree is one spanning tree: what its Bridge decides goes to the ports.
type tree struct {
	s      *Switch
	vlan   uint16
	bridge *stp.Bridge
}

func (sp *spanning) init() {
	sp.trees = map[uint16]*tree{}
	sp.config = stp.Config{
		Priority: stp.DefaultPriority, HelloTime: stp.DefaultHelloTime, MaxAge: stp.DefaultMaxAge,
		ForwardDelay: stp.DefaultForwardDelay, TxHoldCount: stp.DefaultTxHoldCount,
	}
}

// stpState tells what the port may do with frames of a VLAN.
func (p *port) stpState(m *mode, vlan uint16) stp.State {
	switch m.stp {
	case stpOne:
		return stp.State(p.state.Load())
	case stpPerVLAN:
		if states := p.states.Load(); states != nil {
			return states.get(vlan)
		}
		return stp.Discarding
	}
	return stp.Forwarding
}

// receiveBPDU gives a BPDU, which came to 01-80-C2-00-00-00, to its tree, when
// the network's lock can be had.
func (s *Switch) receiveBPDU(m *mode, from *port, data []byte) {
	if from.bpdus.Add(1) > maxBPDUs {
		return
	}
	var t vlan.Tag
	if m.stp == stpPerVLAN {
		var ok bool
		if t, ok = from.config.Load().Classify(data); !ok {
			return
		}
	}
	frame := slices.Clone(data)
	if t.TPID != 0 {
		frame = slices.Delete(frame, 12, 16)
	}
	if !stp.IsBPDU(frame) {
		return
	}
	s.env.Urgent(func() {
		if tree := s.spanning.trees[t.VLAN]; tree != nil {
			tree.bridge.Receive(from.number, frame)
		}
	})
}

// Send sends a BPDU out of a port, tagged as the port has it in a tree of a
// VLAN.
func (t *tree) Send(number int, frame []byte) {
	p := t.s.ports.get(number)
	if p == nil {
		return
	}
	if c := p.config.Load(); t.vlan != 0 && c.Tagged.Has(t.vlan) {
		tagged := make([]byte, 0, len(frame)+4)
		tagged = append(tagged, frame[:12]...)
		tagged = binary.BigEndian.AppendUint32(tagged, uint32(c.TPID)<<16|0xe000|uint32(t.vlan)) // priority 7
		frame = append(tagged, frame[12:]...)
	}
	t.s.env.Send(p.bus, frame)
}

// SetState puts a port's state in force.
func (t *tree) SetState(number int, state stp.State) {
	p := t.s.ports.get(number)
	if p == nil {
		return
	}
	if t.vlan == 0 {
		p.state.Store(uint32(state))
	} else if states := p.states.Load(); states != nil {
		states.set(t.vlan, state)
	}
	if state == stp.Forwarding && p.device { // no query passed before
		in := t.s.vlansOf(p)
		if t.vlan != 0 {
			in = func(vlan uint16) bool { return vlan == t.vlan }
		}
		t.s.groups.Renew(number, in)
	}
	if state == stp.Forwarding {
		t.s.feed.PortChanged(number)
	} else {
		t.s.feed.Revoke(number, t.feedVLAN())
	}
	t.Event("state", number, state.String())
}

// feedVLAN is the tree's VLAN as a follower knows it.
func (t *tree) feedVLAN() uint16 {
	if t.vlan == 0 {
		return policy.AnyVLAN
	}
	return t.vlan
}

// Flush forgets what was learned on a port.
func (t *tree) Flush(number int) {
	if t.vlan == 0 {
		t.s.fdb.FlushPort(number, false)
		t.s.groups.Flush()
	} else {
		t.s.fdb.FlushPortVLAN(number, t.vlan)
		t.s.groups.ForgetVLAN(t.vlan)
	}
	t.s.feed.Revoke(number, t.feedVLAN())
}

// Event publishes what happened in the tree.
func (t *tree) Event(name string, number int, detail string) {
	t.s.env.Event("stp", "what=%s vlan=%d port=%d detail=%s", name, t.vlan, number, fail.Quote(detail))
}

// join lets a port take part in the trees.
func (sp *spanning) join(s *Switch, p *port) {
	if s.mode.Load().stp != stpOff {
		sp.enter(s, p)
		sp.update(s, p)
	}
}

// enter prepares a port for the trees: nothing is forwarded there before they say
// so.
func (sp *spanning) enter(s *Switch, p *port) {
	p.state.Store(uint32(stp.Discarding))
	if s.mode.Load().stp != stpPerVLAN {
		return
	}
	if !s.mem.take(statesSize) {
		s.env.Event("stp", "what=refused vlan=0 port=%d detail=%q", p.number, errNoMemory.Error())
		return
	}
	p.states.Store(&states{})
	sp.stated++
}

// part ends enter.
func (sp *spanning) part(s *Switch, p *port) {
	p.state.Store(uint32(stp.Discarding))
	if p.states.Swap(nil) != nil {
		sp.stated--
		s.mem.Refund(statesSize)
	}
}

// place adds a port to a tree if it belongs there, or takes it out.
func (sp *spanning) place(t *tree, p *port) {
	belongs := t.vlan == 0 || p.states.Load() != nil && p.config.Load().Has(t.vlan)
	switch there := t.bridge.Has(p.number); {
	case belongs && !there:
		if err := sp.add(t, p); err != nil { // what was set is checked; this came with a port
			t.Event("refused", p.number, err.Error())
		}
	case !belongs && there:
		sp.remove(t, p)
		t.close(p)
	}
}

// add adds a port to a tree, if there is room.
func (sp *spanning) add(t *tree, p *port) error {
	mem := &t.s.mem
	switch {
	case p.number > stp.MaxPort: // it never gets a place
		return t.bridge.AddPort(p.number, p.config.Load().stp)
	case sp.placed >= maxTreePorts:
		sp.missed = true
		return errTooManyTreePorts
	case !mem.take(stp.PortSize):
		sp.missed = true
		return errNoMemory
	}
	if err := t.bridge.AddPort(p.number, p.config.Load().stp); err != nil {
		mem.Refund(stp.PortSize)
		return err
	}
	sp.placed++
	if !t.s.env.LinkUp(p.bus) {
		t.bridge.EnablePort(p.number, false)
	}
	return nil
}

// remove takes a port out of a tree.
func (sp *spanning) remove(t *tree, p *port) {
	if t.bridge.Has(p.number) {
		t.bridge.RemovePort(p.number)
		sp.free(t.s, 1)
	}
}

// free gives back the places of ports in trees.
func (sp *spanning) free(s *Switch, places int) {
	sp.placed -= places
	s.mem.Refund(places * stp.PortSize)
	sp.retry = sp.missed
}

// configure puts a port's settings in force in all its trees. A port that the
// guard disabled is enabled again.
func (sp *spanning) configure(p *port) error {
	for _, t := range sp.sorted() {
		if !t.bridge.Has(p.number) {
			continue
		}
		if err := t.bridge.ConfigurePort(p.number, p.config.Load().stp); err != nil {
			return fail.Errorf(fail.Range, "%v", err)
		}
	}
	return nil
}

// close lets a port forward nothing of the tree any more: a tree that ended, or
// that the port left, guards against no loop.
func (t *tree) close(p *port) {
	if states := p.states.Load(); states != nil {
		states.set(t.vlan, stp.Discarding)
		t.s.feed.Revoke(p.number, t.vlan)
	}
}

// leave takes a port out of all trees.
func (sp *spanning) leave(s *Switch, p *port) {
	for _, t := range sp.sorted() {
		sp.remove(t, p)
	}
	sp.part(s, p)
	sp.update(s)
}

// unsettled sums up Status.Unsettled of the trees that there are.
func (sp *spanning) unsettled() (sum uint64) {
	for _, t := range sp.trees {
		sum += t.bridge.Status().Unsettled
	}
	return sum
}

// sorted lists the trees by VLAN.
func (sp *spanning) sorted() []*tree {
	list := make([]*tree, 0, len(sp.trees))
	for _, t := range sp.trees {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *tree) int { return int(a.vlan) - int(b.vlan) })
	return list
}

func (sp *spanning) tick(s *Switch) {
	for _, t := range sp.sorted() {
		t.bridge.Tick()
	}
	if sp.retry {
		sp.missed, sp.retry = false, false
		sp.fill(s)
	}
}

// fill gives places in trees to ports that found none.
func (sp *spanning) fill(s *Switch) {
	for _, t := range sp.sorted() {
		t.bridge.Together(func() {
			for p := range s.ports.all {
				if sp.missed {
					return
				}
				sp.place(t, p)
			}
		})
	}
}
