package bus

import "slices"

// Env is what a network offers to its policy.
type Env struct {
	net *Network
	gen uint64 // of the policy: what an old one left behind is not done
}

// Listening tells whether anybody reads the network's events: if not, a
// policy need not make them.
func (e Env) Listening() bool { return e.net.listening.Load() > 0 }

// Kind returns the kind of what is connected to p (Info.Kind), from within the
// calls that hold the network's lock.
func (e Env) Kind(p *Port) string {
	if len(p.conns) == 0 {
		return ""
	}
	return p.conns[0].info.Kind
}

// LinkUp tells whether frames pass what is connected to p, as far as that says
// so (Conn.SetLink), from within the calls that hold the network's lock.
func (e Env) LinkUp(p *Port) bool {
	return slices.ContainsFunc(p.conns, func(c *Conn) bool { return !c.linkDown })
}

// Keeps tells whether p will exist, or goes on to exist, with nobody
// connected: its number is reserved. From within the calls that hold the
// network's lock.
func (e Env) Keeps(p *Port) bool { return p.reserved && e.net.portLocked(p.number) == p }

// Event publishes an event from within the calls that hold the network's
// lock; from Forward it takes Defer.
func (e Env) Event(name, format string, args ...any) { e.net.eventLocked(name, format, args...) }

// Send sends a frame of the policy's own out of p, when the present call has
// ended. The bytes are copied.
func (e Env) Send(p *Port, frame []byte) {
	w := &e.net.work
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.out) >= maxOutgoing {
		for _, to := range *p.receivers.Load() {
			to.countFull()
		}
		return
	}
	w.out = append(w.out, outgoing{p, slices.Clone(frame)})
	w.count.Add(1)
}

// Defer asks that f be called with the network's lock held, when the frame of
// the present Forward is on its way. It is for what is rare: it costs memory
// and a lock. It returns false, and f is not called, if too much waits already.
func (e Env) Defer(f func()) bool {
	return e.net.work.add(&e.net.work.todo, deferred{e.gen, f})
}

// Urgent is Defer for what the network's life hangs on, such as a BPDU: it does
// not compete with what is deferred otherwise, and comes first.
func (e Env) Urgent(f func()) bool {
	return e.net.work.add(&e.net.work.urgent, deferred{e.gen, f})
}

// add adds a call to one of the lists, if there is room.
func (w *work) add(list *[]deferred, d deferred) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(*list) >= maxDeferred {
		return false
	}
	*list = append(*list, d)
	w.count.Add(1)
	return true
}

// Charge books n bytes of a table that the policy keeps to the network's memory,
// or books nothing and returns false if that may hold no more. From any thread.
// When Stop returns the policy has given all of it back.
func (e Env) Charge(n int) bool { return e.net.mem.ChargeTable(n) }

// Refund returns n bytes booked by Charge.
func (e Env) Refund(n int) { e.net.mem.RefundTable(n) }

// admitPolicyLocked lets a policy charge what it starts with, before anything changes.
func (n *Network) admitPolicyLocked(p Policy) error {
	if charger, ok := p.(Charger); ok {
		return charger.Admit(Env{n, n.policyGen.Load() + 1})
	}
	return nil
}
