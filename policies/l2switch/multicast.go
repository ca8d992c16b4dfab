package l2switch

import (
	"time"

	"ipnfs/bus"
	"ipnfs/policies/l2switch/snoop"
)

// snoopControl sends a message of IGMP or MLD where RFC 4541 wants it.
func (s *Switch) snoopControl(e *egress, data []byte) {
	switch v := s.groups.Snoop(e.tag.vlan, e.from.number, data, time.Unix(0, s.now.Load())); v.Action {
	case snoop.Flood:
		e.flood()
	case snoop.Forward:
		e.sendTo(v.Ports)
	case snoop.Drop:
		e.out.Drop(bus.DropMalformed)
	}
}
