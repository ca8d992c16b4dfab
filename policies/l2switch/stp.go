package l2switch

import (
	"encoding/binary"
	"slices"
	"sync/atomic"

	"ipnfs/bus"
	"ipnfs/policies/l2switch/stp"
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
	trees  map[uint16]*tree // by VLAN; 0: the one tree
	placed int              // ports in all trees together
}

// tree is one spanning tree: what its Bridge decides goes to the ports.
type tree struct {
	s      *Switch
	vlan   uint16
	bridge *stp.Bridge
}

func (sp *spanning) init() {
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
			return stp.State(states[vlan].Load())
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
	var t tag
	if m.stp == stpPerVLAN {
		var ok bool
		if t, ok = from.config.Load().classify(data); !ok {
			return
		}
	}
	frame := slices.Clone(data)
	if t.tpid != 0 {
		frame = slices.Delete(frame, 12, 16)
	}
	if !stp.IsBPDU(frame) {
		return
	}
	s.env.Defer(func() {
		if tree := s.spanning.trees[t.vlan]; tree != nil {
			tree.bridge.Receive(from.number, frame)
		}
	})
}

// Send sends a BPDU out of a port, tagged as the port has it in a tree of a
// VLAN.
func (t *tree) Send(number int, frame []byte) {
	p := t.s.ports.Load().get(number)
	if p == nil {
		return
	}
	if c := p.config.Load(); t.vlan != 0 && c.tagged.has(t.vlan) {
		tagged := make([]byte, 0, len(frame)+4)
		tagged = append(tagged, frame[:12]...)
		tagged = binary.BigEndian.AppendUint32(tagged, uint32(c.tpid)<<16|0xe000|uint32(t.vlan)) // priority 7
		frame = append(tagged, frame[12:]...)
	}
	t.s.env.Send(p.bus, frame)
}

// SetState puts a port's state in force.
func (t *tree) SetState(number int, state stp.State) {
	p := t.s.ports.Load().get(number)
	if p == nil {
		return
	}
	if t.vlan == 0 {
		p.state.Store(uint32(state))
	} else if states := p.states.Load(); states != nil {
		states[t.vlan].Store(uint32(state))
	}
	if state == stp.Forwarding && p.device { // no query passed before
		in := t.s.vlansOf(p)
		if t.vlan != 0 {
			in = func(vlan uint16) bool { return vlan == t.vlan }
		}
		t.s.groups.Renew(number, in)
	}
	t.Event("state", number, state.String())
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
}

// Event publishes what happened in the tree.
func (t *tree) Event(name string, number int, detail string) {
	t.s.env.Event("stp", "what=%s vlan=%d port=%d detail=%s", name, t.vlan, number, bus.Quote(detail))
}

// join lets a port take part in the trees.
func (sp *spanning) join(s *Switch, p *port) {
	if s.mode.Load().stp != stpOff {
		sp.enter(s, p)
		sp.update(s)
	}
}

// enter adds a port to the trees it belongs to; nothing is forwarded there
// before they say so.
func (sp *spanning) enter(s *Switch, p *port) {
	p.state.Store(uint32(stp.Discarding))
	p.states.Store(nil)
	if s.mode.Load().stp == stpPerVLAN {
		p.states.Store(&[vlanIDs]atomic.Uint32{})
	}
	for _, t := range sp.sorted() {
		sp.place(t, p)
	}
}

// place adds a port to a tree if it belongs there, or takes it out.
func (sp *spanning) place(t *tree, p *port) {
	c := p.config.Load()
	_, there := t.bridge.PortStatus(p.number)
	switch belongs := t.vlan == 0 || c.member(t.vlan); {
	case belongs && !there && sp.placed >= maxTreePorts: // what was set is checked; this came with a port
		t.Event("refused", p.number, errTooManyTreePorts.Error())
	case belongs && !there:
		if err := t.bridge.AddPort(p.number, c.stp); err != nil {
			t.Event("refused", p.number, err.Error())
			return
		}
		sp.placed++
		if !t.s.env.LinkUp(p.bus) {
			t.bridge.EnablePort(p.number, false)
		}
	case !belongs && there:
		sp.remove(t, p)
		t.close(p)
	}
}

// remove takes a port out of a tree.
func (sp *spanning) remove(t *tree, p *port) {
	if _, there := t.bridge.PortStatus(p.number); there {
		t.bridge.RemovePort(p.number)
		sp.placed--
	}
}

// configure puts a port's settings in force in all its trees. A port that the
// guard disabled is enabled again.
func (sp *spanning) configure(p *port) error {
	for _, t := range sp.sorted() {
		if _, there := t.bridge.PortStatus(p.number); !there {
			continue
		}
		if err := t.bridge.ConfigurePort(p.number, p.config.Load().stp); err != nil {
			return bus.Errorf(bus.Range, "%v", err)
		}
	}
	return nil
}

// close lets a port forward nothing of the tree any more: a tree that ended, or
// that the port left, guards against no loop.
func (t *tree) close(p *port) {
	if states := p.states.Load(); states != nil {
		states[t.vlan].Store(uint32(stp.Discarding))
	}
}

// leave takes a port out of all trees.
func (sp *spanning) leave(s *Switch, p *port) {
	for _, t := range sp.sorted() {
		sp.remove(t, p)
	}
	sp.update(s)
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

func (sp *spanning) tick() {
	for _, t := range sp.sorted() {
		t.bridge.Tick()
	}
}

// setMode begins or ends the spanning trees. Ports forward nothing from the
// moment that the mode changes until the trees let them.
func (s *Switch) setMode(want stpMode, config stp.Config) error {
	if want == s.mode.Load().stp {
		return s.spanning.reconfigure(config)
	}
	if err := config.Check(); err != nil {
		return bus.Errorf(bus.Range, "%v", err)
	}
	if err := s.checkTreesOf(want, nil, nil); err != nil {
		return err
	}
	sp := &s.spanning
	sp.config = config
	sp.trees, sp.placed = map[uint16]*tree{}, 0
	for _, p := range s.ports.Load().list {
		p.state.Store(uint32(stp.Discarding))
		p.states.Store(nil)
	}
	s.updateMode(func(m *mode) { m.stp = want })
	if want != stpOff {
		for _, p := range s.ports.Load().list {
			sp.enter(s, p)
		}
		sp.update(s)
	}
	s.fdb.Flush()
	s.groups.Flush()
	return nil
}

// reconfigure changes the trees there are.
func (sp *spanning) reconfigure(config stp.Config) error {
	if err := config.Check(); err != nil {
		return bus.Errorf(bus.Range, "%v", err)
	}
	sp.config = config
	for _, t := range sp.sorted() {
		if err := t.bridge.Configure(sp.configOf(t.vlan)); err != nil {
			return bus.Errorf(bus.Range, "%v", err)
		}
	}
	return nil
}

func (sp *spanning) configOf(vlan uint16) stp.Config {
	c := sp.config
	c.SystemIDExt = vlan
	return c
}

// update makes the trees those that are needed, with the ports that belong
// there, after VLANs or ports changed.
func (sp *spanning) update(s *Switch) {
	want := map[uint16]bool{}
	switch s.mode.Load().stp {
	case stpOff:
		return
	case stpOne:
		want[0] = true
	case stpPerVLAN:
		for _, v := range s.vlansInUse(nil, nil) {
			if len(want) == maxTrees { // what was set is checked; this came with a port
				s.env.Event("stp", "what=refused vlan=%d port=0 detail=%q", v, errTooManyTrees.Error())
				break
			}
			want[v] = true
		}
	}
	for vlan, t := range sp.trees {
		if !want[vlan] {
			delete(sp.trees, vlan)
			sp.placed -= t.bridge.Len()
			for _, p := range s.ports.Load().list {
				t.close(p)
			}
		}
	}
	for vlan := range want {
		if sp.trees[vlan] != nil {
			continue
		}
		t := &tree{s: s, vlan: vlan}
		var err error
		if t.bridge, err = stp.New(sp.configOf(vlan), t); err == nil { // checked before
			sp.trees[vlan] = t
		}
	}
	for _, t := range sp.sorted() {
		t.bridge.Together(func() {
			for _, p := range s.ports.Load().list {
				sp.place(t, p)
			}
		})
	}
}

var (
	errTooManyTrees     = bus.Errorf(bus.NoSpace, "a spanning tree for each VLAN: at most %d VLANs", maxTrees)
	errTooManyTreePorts = bus.Errorf(bus.NoSpace, "spanning trees: at most %d ports in all trees together", maxTreePorts)
)

// checkTrees tells whether there may be the trees that are wanted if the port b
// had the config c.
func (s *Switch) checkTrees(b *bus.Port, c *config) error {
	return s.checkTreesOf(s.mode.Load().stp, b, c)
}

func (s *Switch) checkTreesOf(mode stpMode, b *bus.Port, with *config) error {
	if mode != stpPerVLAN {
		return nil
	}
	used := s.vlansInUse(b, with)
	if len(used) > maxTrees {
		return errTooManyTrees
	}
	ports := 0
	for _, p := range s.ports.Load().list {
		c := p.config.Load()
		if p.bus == b {
			c = with
		}
		for _, v := range used {
			if c.member(v) {
				ports++
			}
		}
	}
	if ports > maxTreePorts {
		return errTooManyTreePorts
	}
	return nil
}

// vlansInUse lists the VLANs that were added or that some port has, those of
// a port that has all of them aside; the port b is taken to have the config
// with.
func (s *Switch) vlansInUse(b *bus.Port, with *config) []uint16 {
	used := vlanSet{}
	for v := range s.names {
		used.add(v)
	}
	for _, p := range s.ports.Load().list {
		c := p.config.Load()
		if p.bus == b {
			c = with
		}
		if c.pvid != 0 {
			used.add(c.pvid)
		}
		if *c.tagged != allVLANs {
			for i, word := range c.tagged {
				used[i] |= word
			}
		}
	}
	var list []uint16
	for v := uint16(1); v <= maxVLAN; v++ {
		if used.has(v) {
			list = append(list, v)
		}
	}
	return list
}
