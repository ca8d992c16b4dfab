package policy

import (
	"slices"

	"ipnfs/bus/frame"
)

// Egress is what is to become of one frame: the ports it goes to, and in what
// form, or why it is dropped. Policies fill it.
type Egress struct {
	flood  bool
	ports  []Port
	edits  []frame.Edit // of ports, by index; shorter: none
	copies int          // how many of ports, the last ones, came by Copy
	drop   frame.Drop
	split  bool
	lane   *Lane // nil: that of a test
}

// Lane returns the lane of the thread that asks.
func (e *Egress) Lane() *Lane {
	if e.lane == nil {
		e.lane = &Lane{}
	}
	return e.lane
}

// SetLane says whose answer e is. Reset leaves that.
func (e *Egress) SetLane(l *Lane) { e.lane = l }

// Flood sends the frame to every port but its own.
func (e *Egress) Flood() { e.flood = true }

// Add sends the frame to p.
func (e *Egress) Add(p Port) { e.ports = append(e.ports, p) }

// AddEdited sends the frame to p with other tags.
func (e *Egress) AddEdited(p Port, edit frame.Edit) {
	if edit != (frame.Edit{}) {
		for len(e.edits) < len(e.ports) {
			e.edits = append(e.edits, frame.Edit{})
		}
		e.edits = append(e.edits, edit)
	}
	e.ports = append(e.ports, p)
}

// Copy sends the frame to p, too, in the form it came in, and even if it is
// dropped: it is for those that watch. Call it last.
func (e *Egress) Copy(p Port) {
	e.Add(p)
	e.copies++
}

// Drop drops the frame, counted by reason, if no port was added.
func (e *Egress) Drop(why frame.Drop) { e.drop = why }

// Split asks that Forward be called again for each of the frames that this one
// stands for (frame.Frame.WireFrames), in order, as not all of them go the same way.
// Whatever else was said of it is void. It costs the cutting of the rest of the
// batch, and has no effect on a frame that stands for itself alone.
func (e *Egress) Split() { e.split = true }

// Flooded tells whether Flood was called.
func (e *Egress) Flooded() bool { return e.flood }

// Ports lists the ports added, which are the Egress's still.
func (e *Egress) Ports() []Port { return e.ports }

// Edit tells how the frame changes on its way to the i-th port added.
func (e *Egress) Edit(i int) frame.Edit {
	if i < len(e.edits) {
		return e.edits[i]
	}
	return frame.Edit{}
}

// Dropped tells why the frame is dropped; 0: it is not.
func (e *Egress) Dropped() frame.Drop {
	if e.flood || len(e.ports) > e.copies {
		return 0
	}
	return e.drop
}

// Splits tells whether Split was called.
func (e *Egress) Splits() bool { return e.split }

// Reset empties the set.
func (e *Egress) Reset() {
	e.flood, e.ports, e.edits, e.copies, e.drop, e.split = false, e.ports[:0], e.edits[:0], 0, 0, false
}

// Equal tells whether the frames of both go to the same ports in the same form.
func (e *Egress) Equal(o *Egress) bool {
	if e.flood || o.flood {
		return e.flood == o.flood
	}
	return e.Dropped() == o.Dropped() && slices.Equal(e.ports, o.ports) && slices.Equal(e.edits, o.edits)
}
