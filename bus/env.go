package bus

import (
	"slices"

	"ipnfs/bus/policy"
)

// env is what the network offers to one policy in its time: see policy.Env.
type env struct {
	net *Network
	gen uint64 // of the policy: what an old one left behind is not done
}

var _ policy.Env = (*env)(nil)

func (e *env) Listening() bool { return e.net.listening.Load() > 0 }

// +checklocks:e.net.mu
func (e *env) Kind(port policy.Port) string {
	p := port.(*Port)
	if len(p.conns) == 0 {
		return ""
	}
	return p.conns[0].info.Kind
}

// +checklocks:e.net.mu
func (e *env) LinkUp(port policy.Port) bool {
	return slices.ContainsFunc(port.(*Port).conns, func(c *Conn) bool { return !c.linkDown })
}

// +checklocks:e.net.mu
func (e *env) Keeps(port policy.Port) bool {
	p := port.(*Port)
	return p.reserved && e.net.portLocked(p.number) == p
}

// +checklocks:e.net.mu
func (e *env) Event(name, format string, args ...any) { e.net.eventLocked(name, format, args...) }

func (e *env) Send(port policy.Port, frame []byte) {
	p, w := port.(*Port), &e.net.work
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

func (e *env) Defer(f func()) bool {
	return e.net.work.add(&e.net.work.todo, deferred{e.gen, f}) // +checklocksignore: add takes work.mu
}

func (e *env) Urgent(f func()) bool {
	return e.net.work.add(&e.net.work.urgent, deferred{e.gen, f}) // +checklocksignore: as above
}

func (e *env) Charge(n int) bool { return e.net.mem.ChargeTable(n) }

func (e *env) Refund(n int) { e.net.mem.RefundTable(n) }

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

// admitPolicyLocked lets a policy charge what it starts with, before anything changes.
//
// +checklocks:n.mu
func (n *Network) admitPolicyLocked(p policy.Policy) error {
	if charger, ok := p.(policy.Charger); ok {
		return charger.Admit(&env{n, n.policyGen.Load() + 1})
	}
	return nil
}
