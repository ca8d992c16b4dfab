package fs

import (
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// What the policy in force serves: the directory POLICY/ in NET/ with its
// tables and knobs, and in ports/N/ the knobs that it has for each port. All
// of that comes and goes with the policy, so it is looked at under the
// network's lock, together with the policy's life.

// value is a file that a policy serves, in the form of a port's knob.
type value struct {
	policy.PortKnob
	ofFrames bool       // see policy.Table
	cost     func() int // likewise
}

// served lists what p serves in a directory, in the order of the rows, all in
// the form of a port's knob: what can be the name of a file, each name once,
// and none that the directory has anyway.
func served(p policy.Policy, in bus.Place) (list []value) {
	slots := max(1, rowOf(in, "").slots)
	add := func(k value) {
		twice := slices.ContainsFunc(list, func(other value) bool { return other.Name == k.Name })
		if !twice && bus.CheckName(k.Name) == nil && rowOf(in, k.Name) == nil && len(list) < slots {
			list = append(list, k)
		}
	}
	switch in {
	case bus.InNetwork:
		if len(served(p, inPolicy)) > 0 {
			add(value{PortKnob: policy.PortKnob{Name: p.Name()}})
		}
	case inPolicy:
		if tabler, ok := p.(policy.Tabler); ok {
			for _, t := range tabler.Tables() {
				add(value{knobOf(t.Name, t.Read, t.Write), t.OfFrames, t.Cost})
			}
		}
		if knobber, ok := p.(policy.Knobber); ok {
			for _, k := range knobber.Knobs() {
				add(value{PortKnob: knobOf(k.Name, k.Get, k.Set)})
			}
		}
	case bus.InPort:
		if knobber, ok := p.(policy.PortKnobber); ok {
			for _, k := range knobber.PortKnobs() {
				add(value{PortKnob: k})
			}
		}
	}
	return list
}

// knobOf makes what a policy has once into what it has for each port.
func knobOf(name string, get func() string, set func(string) error) policy.PortKnob {
	k := policy.PortKnob{Name: name, Get: func(policy.Port) string { return get() }}
	if set != nil {
		k.Set = func(_ policy.Port, value string) error { return set(value) }
	}
	return k
}

var errPolicyGone = fail.Errorf(fail.Gone, "another policy is in force now")

// withPolicy calls f with the policy in force, under the network's lock: of a
// port's file only while the port is there, and of a policy's only while that
// policy is in force.
func (n *node) withPolicy(f func(p policy.Policy) error) error {
	use := n.net.UsePolicy
	if n.port != nil {
		use = n.port.UsePolicy
	}
	return use(func(p policy.Policy) error {
		if n.life != 0 && n.life != n.net.PolicyLife() {
			return errPolicyGone
		}
		return f(p)
	})
}

// each calls f with the nodes of what the policy in force serves in the
// directory n, until it returns false.
func (n *node) each(in bus.Place, f func(n node) bool) error {
	return n.withPolicy(func(p policy.Policy) error {
		for i, k := range served(p, in) {
			child := node{row: rowOf(in, ""), slot: i, net: n.net, port: n.port, life: n.net.PolicyLife(), policy: p.Name()}
			child.id = makeID(child.row, child.net, child.port, child.life) + uint64(i)<<rowShift
			if !child.row.isDir() {
				child.own, child.readOnly = k.Name, k.Set == nil
				child.ofFrames, child.cost = k.ofFrames, k.cost
			}
			if !f(child) {
				break
			}
		}
		return nil
	})
}

// servedChild finds a name among them.
func (n *node) servedChild(name string) (child node, found bool) {
	err := n.each(n.inside(), func(c node) bool {
		found = c.name() == name
		child = c
		return !found
	})
	return child, err == nil && found
}

// resolve finds what n, of which only the id is known, is of the policy in
// force, and tells whether that is anything.
func (n *node) resolve() (ok bool) {
	_ = n.each(n.row.in, func(is node) bool {
		if n.port != nil {
			ok = is.slot == n.slot // its life was checked: it stands in known
		} else {
			ok = is.id == n.id&^n.row.sequenceMask()
		}
		if ok {
			is.id = n.id
			*n = is
		}
		return !ok
	})
	return ok
}

// useValue calls f with the file n itself.
func (n *node) useValue(f func(v value) error) error {
	return n.withPolicy(func(p policy.Policy) error {
		list := served(p, n.row.in)
		if n.slot >= len(list) {
			return errPolicyGone
		}
		return f(list[n.slot])
	})
}

// readValue reads a table or knob. If it is gone by now, so is n.
func readValue(_ *FS, n *node) (text string) {
	var unlocked func() string
	n.gone = n.useValue(func(v value) error {
		if v.cost != nil {
			unlocked = func() string { return v.Get(n.port) }
		} else {
			text = v.Get(n.port)
		}
		return nil
	}) != nil
	if unlocked != nil {
		text = unlocked()
	}
	return line(text)
}

func writeValue(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	return n.useValue(func(v value) error { return v.Set(n.port, command) })
}

// line ends a text that is not empty with a newline.
func line(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
