package bus

import (
	"slices"

	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// Observer sees all frames of a network without being a port, such as a capture.
// Its methods are called from many threads at once, on the path of a frame. They must
// not block, allocate without bound, log, or call the bus; what they are shown is
// lent. Without an observer the path pays one load of a pointer for a run of frames.
type Observer interface {
	// Carried is shown b.Frames[i:j], which came by port in (nil: the policy's own)
	// and have gone to the ports of out, or were dropped for out.Dropped(). They
	// are as they came: out.Edit tells how the copies differ. Frames
	// that a stage holds are shown when they go on.
	Carried(in *Port, b *frame.Batch, i, j int, out *policy.Egress)
	// Lost is shown a frame that port to was to get, and did not for that reason, as
	// the counters name it. It comes before Carried, and within the lock of the
	// receiver.
	Lost(to *Port, f *frame.Frame, why string)
}

// Observe shows o the frames of the network until stop is called, or the network
// ends. A call that is under way may still come after stop.
func (n *Network) Observe(o Observer) (stop func()) {
	n.observe(func(all []Observer) []Observer { return append(all, o) })
	return func() {
		n.observe(func(all []Observer) []Observer {
			return slices.DeleteFunc(all, func(other Observer) bool { return other == o })
		})
	}
}

// observe changes the list of observers.
func (n *Network) observe(change func([]Observer) []Observer) {
	n.lock()
	defer n.mu.Unlock()
	var all []Observer
	if old := n.observers.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if all = change(all); len(all) == 0 {
		n.observers.Store(nil)
	} else {
		n.observers.Store(&all)
	}
	n.bypassLocked()
}

// showCarried shows frames i to j to those who want to see them.
func (n *Network) showCarried(in *Port, b *frame.Batch, i, j int, out *policy.Egress) {
	if all := n.observers.Load(); all != nil {
		for _, o := range *all {
			o.Carried(in, b, i, j, out)
		}
	}
}

// showLost shows frames i to j, which did not get to port to.
func (n *Network) showLost(to *Port, b *frame.Batch, i, j int, why string) {
	if all := n.observers.Load(); all != nil {
		for _, o := range *all {
			for k := i; k < j; k++ {
				o.Lost(to, &b.Frames[k], why)
			}
		}
	}
}

// showDisplaced shows a frame that waited for port to and made way.
func (n *Network) showDisplaced(to *Port, f *frame.Frame) {
	if all := n.observers.Load(); all != nil {
		for _, o := range *all {
			o.Lost(to, f, dropNames[dropOldest])
		}
	}
}
