// Package horizon is a stage that divides the ports of a network into sides: what came
// by a port of a side leaves by none of the same side (split horizon). Cables stand in
// one side, so that two of them to the same place, or a full mesh, make no loop.
package horizon

import (
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// Side is the ports of one side. The zero Side has none.
type Side struct{ ports sync.Map } // of *bus.Port

var _ bus.Stage = (*Side)(nil)

// Add makes p one of the side, until it goes.
func (s *Side) Add(p *bus.Port) error {
	s.ports.Store(p, nil)
	err := p.SetStage(bus.Horizon, s)
	if err != nil {
		s.ports.Delete(p)
	}
	return err
}

// Ingress is bus.Stage's: all may come.
func (*Side) Ingress(*bus.Conn, *frame.Frame) frame.Drop { return 0 }

// Egress is bus.Stage's.
func (s *Side) Egress(_ *bus.Conn, in *bus.Port, _ *frame.Frame) frame.Drop {
	if _, same := s.ports.Load(in); same {
		return frame.DropFiltered
	}
	return 0
}

// Hold is bus.Stage's, and never called.
func (*Side) Hold(*bus.Conn, bus.Way, frame.Frame) {}

// Leave is bus.Stage's.
func (s *Side) Leave(c *bus.Conn) { s.ports.Delete(c.Port()) }
