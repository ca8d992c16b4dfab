package l2switch

import (
	"slices"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/stp"
	"ipnfs/policies/ether/vlan"
)

// What there is of spanning trees: the switch as a whole, a tree for each VLAN, and
// whether there is room for them.

// setMode begins or ends the spanning trees. Ports forward nothing from the
// moment that the mode changes until the trees let them.
func (s *Switch) setMode(want stpMode, config stp.Config) error {
	if want == s.mode.Load().stp {
		return s.spanning.reconfigure(config)
	}
	if err := config.Check(); err != nil {
		return fail.Errorf(fail.Range, "%v", err)
	}
	if err := s.prepareTrees(want, nil, nil); err != nil {
		return err
	}
	defer s.mem.settle()
	sp := &s.spanning
	sp.config = config
	for _, t := range sp.trees {
		sp.end(s, t)
	}
	for p := range s.ports.all {
		sp.part(s, p)
	}
	s.updateMode(func(m *mode) { m.stp = want })
	if want != stpOff {
		for p := range s.ports.all {
			sp.enter(s, p)
		}
		sp.update(s)
	}
	s.fdb.Flush()
	s.groups.Flush()
	s.feed.Revoke(0, policy.AnyVLAN)
	return nil
}

// reconfigure changes the trees there are.
func (sp *spanning) reconfigure(config stp.Config) error {
	if err := config.Check(); err != nil {
		return fail.Errorf(fail.Range, "%v", err)
	}
	sp.config = config
	for _, t := range sp.sorted() {
		if err := t.bridge.Configure(sp.configOf(t.vlan)); err != nil {
			return fail.Errorf(fail.Range, "%v", err)
		}
	}
	return nil
}

func (sp *spanning) configOf(vlan uint16) stp.Config {
	c := sp.config
	c.SystemIDExt = vlan
	return c
}

// update makes the trees those that are needed, after VLANs or ports changed: a
// new tree gets all ports that belong there, and the others those that changed.
func (sp *spanning) update(s *Switch, changed ...*port) {
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
			sp.end(s, t)
		}
	}
	for _, t := range sp.sorted() {
		for _, p := range changed {
			sp.place(t, p)
		}
	}
	for vlan := range want {
		if sp.trees[vlan] == nil {
			sp.begin(s, vlan)
		}
	}
}

// begin makes a tree with the ports that belong there.
func (sp *spanning) begin(s *Switch, vlan uint16) {
	if !s.mem.take(treeSize) { // what was set is checked; this came with a port
		s.env.Event("stp", "what=refused vlan=%d port=0 detail=%q", vlan, errNoMemory.Error())
		return
	}
	t := &tree{s: s, vlan: vlan}
	var err error
	if t.bridge, err = stp.New(sp.configOf(vlan), t); err != nil { // checked before
		s.mem.Refund(treeSize)
		return
	}
	sp.trees[vlan] = t
	t.bridge.Together(func() {
		for p := range s.ports.all {
			sp.place(t, p)
		}
	})
}

// end forgets a tree.
func (sp *spanning) end(s *Switch, t *tree) {
	delete(sp.trees, t.vlan)
	sp.free(s, t.bridge.Len())
	s.mem.Refund(treeSize)
	for p := range s.ports.all {
		t.close(p)
	}
}

var (
	errTooManyTrees     = fail.Errorf(fail.NoSpace, "a spanning tree for each VLAN: at most %d VLANs", maxTrees)
	errTooManyTreePorts = fail.Errorf(fail.NoSpace, "spanning trees: at most %d ports in all trees together", maxTreePorts)
)

// prepareTrees tells whether there may be the trees of a mode if the port b had
// the config with, and prepays the memory that they are to take.
func (s *Switch) prepareTrees(want stpMode, b policy.Port, with *config) error {
	trees, ports, stated := 0, 0, 0
	switch want {
	case stpOne:
		trees, ports = 1, s.ports.count
	case stpPerVLAN:
		used := s.vlansInUse(b, with)
		if len(used) > maxTrees {
			return errTooManyTrees
		}
		trees, stated = len(used), s.ports.count
		for p := range s.ports.all {
			c := p.config.Load()
			if p.bus == b {
				c = with
			}
			for _, v := range used {
				if c.Has(v) {
					ports++
				}
			}
		}
		if ports > maxTreePorts {
			return errTooManyTreePorts
		}
	}
	if sp := &s.spanning; want == s.mode.Load().stp {
		trees, ports, stated = trees-len(sp.trees), ports-sp.placed, stated-sp.stated
	}
	return s.mem.prepay(max(0, trees)*treeSize + max(0, ports)*stp.PortSize + max(0, stated)*statesSize)
}

// vlansInUse lists the VLANs that were added or that some port has, those of
// a port that has all of them aside; the port b is taken to have the config
// with.
func (s *Switch) vlansInUse(b policy.Port, with *config) []uint16 {
	used := vlan.Set{}
	for v := range s.vlans.Names() {
		used.Add(v)
	}
	for p := range s.ports.all {
		c := p.config.Load()
		if p.bus == b {
			c = with
		}
		c.AddTo(&used)
	}
	return slices.Collect(used.Each)
}
