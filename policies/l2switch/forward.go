package l2switch

import (
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/snoop"
	"ipnfs/policies/ether/storm"
	"ipnfs/policies/ether/stp"
	"ipnfs/policies/ether/vlan"
)

// Forward decides where a frame goes: see the package comment.
func (s *Switch) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
	data := f.Data()
	if len(data) < ether.HeaderLen || !ether.ValidSource(data) {
		out.Drop(frame.DropMalformed)
		return
	}
	m, from := s.mode.Load(), s.ports.get(in.Number())
	if from == nil || from.bus != in {
		return // it is just leaving
	}
	if ether.Reserved(data) && !m.passes(data) {
		if data[5] == 0 {
			s.receiveBPDU(m, from, data)
		}
		out.Drop(frame.DropFiltered)
		return
	}
	var t vlan.Tag
	if m.vlans {
		var ok bool
		if t, ok = from.config.Load().Classify(data); !ok {
			out.Drop(frame.DropVLAN)
			return
		}
	}
	state := from.stpState(m, t.VLAN)
	if state != stp.Discarding {
		s.learn(from, t.VLAN, data)
	}
	if state != stp.Forwarding {
		out.Drop(frame.DropSTP)
		return
	}
	e := egress{mode: m, ports: &s.ports, from: from, frame: f, tag: t, out: out}
	if ether.ToGroup(data) {
		s.forwardGroup(&e, data)
	} else {
		s.forwardUnicast(&e, data)
	}
}

func (s *Switch) learn(from *port, vlan uint16, data []byte) {
	key := fdb.MakeKey(vlan, [6]byte(data[6:12]))
	result, before := s.fdb.Learn(key, from.number, s.seconds())
	if result != fdb.Learned && result != fdb.Moved {
		return
	}
	if s.ports.get(from.number) != from { // it left meanwhile
		s.fdb.FlushPort(from.number, true)
		return
	}
	switch result {
	case fdb.Learned:
		if s.env.Listening() {
			s.env.Defer(func() {
				s.env.Event("learned", "mac=%s vlan=%d port=%d", macString(key.MAC()), vlan, from.number)
			})
		}
	case fdb.Moved:
		if s.mode.Load().snooping { // the station reported its groups where it was
			s.groups.Open(vlan)
		}
		if s.env.Listening() {
			s.env.Defer(func() {
				s.env.Event("moved", "mac=%s vlan=%d from=%d port=%d", macString(key.MAC()), vlan, before, from.number)
			})
		}
	}
}

// egress collects where one frame goes.
type egress struct {
	mode  *mode
	ports *portTable
	from  *port
	frame *frame.Frame
	tag   vlan.Tag
	out   *policy.Egress
}

func (s *Switch) forwardUnicast(e *egress, data []byte) {
	if number, ok := s.fdb.Lookup(fdb.MakeKey(e.tag.VLAN, [6]byte(data[:6]))); ok {
		if to := e.ports.get(number); to != nil {
			if to == e.from {
				e.out.Drop(frame.DropFiltered) // it is there already
			} else {
				e.unsent(e.send(to))
			}
			return
		}
	}
	if e.withinRate(storm.Unknown) {
		e.flood()
	}
}

func (s *Switch) forwardGroup(e *egress, data []byte) {
	kind := storm.Multicast
	if ether.ToAll(data) {
		kind = storm.Broadcast
	}
	if !e.withinRate(kind) {
		return
	}
	if !e.mode.snooping || kind == storm.Broadcast {
		e.flood()
		return
	}
	if snoop.Control(data) {
		s.snoopControl(e, data)
		return
	}
	if members, routers, known := s.groups.Lookup(e.tag.VLAN, [6]byte(data[:6])); known {
		e.sendTo(members, routers)
		return
	}
	e.flood()
}

// flood sends to all ports that may get the frame.
func (e *egress) flood() {
	if e.mode.plain() {
		e.out.Flood()
		return
	}
	var why frame.Drop
	leaves := e.ports.list()
	for i := range leaves {
		l := leaves[i].Load()
		if l == nil {
			continue
		}
		for set := l.there.Load(); set != 0; {
			var to *port
			if to, set = l.each(set); to != nil && to != e.from {
				why = max(why, e.send(to))
			}
		}
	}
	e.unsent(why)
}

// unsent counts a frame that no port may get by why that is, if there were
// ports at all.
func (e *egress) unsent(why frame.Drop) {
	if why != 0 && len(e.out.Ports()) == 0 {
		e.out.Drop(why)
	}
}

// sendTo sends to the ports of these numbers, ascending, once to each.
func (e *egress) sendTo(members, routers []int) {
	var why frame.Drop
	for len(members)+len(routers) > 0 {
		var n int
		if len(routers) == 0 || len(members) > 0 && members[0] <= routers[0] {
			if n, members = members[0], members[1:]; len(routers) > 0 && routers[0] == n {
				routers = routers[1:]
			}
		} else {
			n, routers = routers[0], routers[1:]
		}
		if to := e.ports.get(n); to != nil && to != e.from {
			why = max(why, e.send(to))
		}
	}
	e.unsent(why)
}

// send sends to one port in the form it wants, or says why not.
func (e *egress) send(to *port) frame.Drop {
	if e.mode.plain() {
		e.out.Add(to.bus)
		return 0
	}
	if to.stpState(e.mode, e.tag.VLAN) != stp.Forwarding {
		return frame.DropSTP
	}
	c := to.config.Load()
	if c.isolated && e.mode.isolation && e.from.config.Load().isolated {
		return frame.DropIsolated
	}
	if !e.mode.vlans {
		e.out.Add(to.bus)
		return 0
	}
	edit, ok := c.Egress(e.tag)
	if !ok {
		return frame.DropVLAN
	}
	e.out.AddEdited(to.bus, edit)
	return 0
}
