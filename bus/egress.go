package bus

import "slices"

// Egress is what is to become of one frame: the ports it goes to, and in what
// form, or why it is dropped. Policies fill it.
type Egress struct {
	flood bool
	ports []*Port
	edits []Edit // of ports, by index; shorter: none
	drop  Drop
	split bool
}

// Flood sends the frame to every port but its own.
func (e *Egress) Flood() { e.flood = true }

// Add sends the frame to p.
func (e *Egress) Add(p *Port) { e.ports = append(e.ports, p) }

// AddEdited sends the frame to p as an edit changes it.
func (e *Egress) AddEdited(p *Port, edit Edit) {
	if edit != (Edit{}) {
		for len(e.edits) < len(e.ports) {
			e.edits = append(e.edits, Edit{})
		}
		e.edits = append(e.edits, edit)
	}
	e.ports = append(e.ports, p)
}

// Drop drops the frame, counted by reason, if no port was added.
func (e *Egress) Drop(why Drop) { e.drop = why }

// Split asks that Forward be called again for each of the frames that this one
// stands for (Frame.WireFrames), in order, as not all of them go the same way.
// Whatever else was said of it is void. It costs the cutting of the rest of the
// batch, and has no effect on a frame that stands for itself alone.
func (e *Egress) Split() { e.split = true }

// Flooded tells whether Flood was called, and Ports lists those added: for
// tests of policies.
func (e *Egress) Flooded() bool { return e.flood }

// Ports lists the ports added; see Flooded.
func (e *Egress) Ports() []*Port { return e.ports }

// Edit tells how the frame changes on its way to the i-th port added.
func (e *Egress) Edit(i int) Edit {
	if i < len(e.edits) {
		return e.edits[i]
	}
	return Edit{}
}

// Dropped tells why the frame is dropped; 0: it is not.
func (e *Egress) Dropped() Drop { return e.drop }

// Reset empties the set.
func (e *Egress) Reset() {
	e.flood, e.ports, e.edits, e.drop, e.split = false, e.ports[:0], e.edits[:0], 0, false
}

// same tells whether two frames go to the same ports in the same form.
func same(a, b *Egress) bool {
	if a.flood || b.flood {
		return a.flood == b.flood
	}
	return a.drop == b.drop && slices.Equal(a.ports, b.ports) && slices.Equal(a.edits, b.edits)
}

// copies is how many receivers get the frame, or a few more.
func (e *Egress) copies(s *snapshot) (n int) {
	if e.flood {
		return len(s.receivers)
	}
	for _, p := range e.ports {
		n += len(*p.receivers.Load())
	}
	return n
}

// has tells whether the frame goes to p.
func (e *Egress) has(p *Port) bool { return slices.Contains(e.ports, p) }
