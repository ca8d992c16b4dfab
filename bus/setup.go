package bus

import (
	"slices"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// PortSetting is a value for a PortKnob, by its name.
type PortSetting struct{ Name, Value string }

// setUpLocked puts o.Setup in force on a port that nobody has joined. restore
// takes it back, also what was done before an error.
//
// +checklocks:n.mu
func (n *Network) setUpLocked(p *Port, o JoinOptions) (restore func(), err error) {
	restore = func() {}
	var knobs []policy.PortKnob
	knobber, ok := n.policy.(policy.PortKnobber)
	if ok && len(o.Setup) > 0 {
		knobs, restore = knobber.PortKnobs(), knobber.SavePort(p)
	}
	for _, s := range o.Setup {
		i := slices.IndexFunc(knobs, func(k policy.PortKnob) bool { return k.Name == s.Name && k.Set != nil })
		if i < 0 {
			return restore, n.noSetting(s.Name, knobs, o.Words)
		}
		if err := knobs[i].Set(p, s.Value); err != nil {
			return restore, err
		}
	}
	return restore, nil
}

// noSetting is the refusal of a setting that the policy has not, or that
// cannot be set.
//
// +checklocks:n.mu
func (n *Network) noSetting(name string, knobs []policy.PortKnob, words string) error {
	var names []string
	for _, k := range knobs {
		if k.Set != nil {
			names = append(names, k.Name+"=")
		}
	}
	has := "has no settings of ports"
	if len(names) > 0 {
		has = "has " + strings.Join(names, ", ")
	}
	if words != "" {
		words = ": one of " + words
	}
	return fail.Errorf(fail.Invalid, "there is no option %q%s; policy %s %s", name, words, n.policy.Name(), has)
}
