package l2switch

import (
	"time"

	"ipnfs/bus/frame"
	"ipnfs/policies/ether/snoop"
)

// vlansOf tells of a VLAN whether the port is in it: what Table.Renew is to know
// if others may be behind the port. A program that opened a port is alone behind
// it, and reports its groups itself.
func (s *Switch) vlansOf(p *port) func(vlan uint16) bool {
	c, vlans := p.config.Load(), s.mode.Load().vlans
	return func(vlan uint16) bool { return !vlans || c.Has(vlan) }
}

// snoopControl sends a message of IGMP or MLD where RFC 4541 wants it.
func (s *Switch) snoopControl(e *egress, data []byte) {
	switch v := s.groups.Snoop(e.tag.VLAN, e.from.number, data, time.Unix(0, s.now.Load())); v.Action {
	case snoop.Flood:
		e.flood()
	case snoop.Forward:
		e.sendTo(v.Ports, nil)
	case snoop.Drop:
		e.out.Drop(frame.DropMalformed)
	}
}
