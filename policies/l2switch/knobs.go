package l2switch

import (
	"fmt"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/vlan"
	"ipnfs/words"
)

// maxAgeing is IEEE 802.1Q's upper bound of the ageing time in seconds (table
// 8-11).
const maxAgeing = 1_000_000

// Knobs are the settings of the switch.
func (s *Switch) Knobs() []policy.Knob {
	return []policy.Knob{
		s.number("ageing", 0, maxAgeing,
			func() int { return int(s.fdb.Ageing()) }, func(v int) {
				s.fdb.SetAgeing(uint32(v))
				s.feed.Revoke(0, policy.AnyVLAN) // from what is too old now
			}),
		s.number("fdb_max", 1, fdb.MaxLimit,
			func() int { return s.fdb.Limit() }, func(v int) { s.fdb.SetLimit(v) }),
		s.number("damping", 0, maxAgeing,
			func() int { return int(s.fdb.Damping()) }, func(v int) { s.fdb.SetDamping(uint32(v)) }),
		s.groupForwardKnob(),
		{
			Name: "fastpath",
			Get:  func() string { return words.FormatOnOff(!s.mode.Load().apart) },
			Set:  s.setFastpath,
		},
		{
			Name: "vlan",
			Get:  func() string { return words.FormatOnOff(s.mode.Load().vlans) },
			Set:  s.setVLANs,
		},
		s.number("default_pvid", 0, vlan.MaxID,
			func() int { return int(s.pvid) }, func(v int) { s.pvid = uint16(v) }),
		{
			Name: "snooping",
			Get:  func() string { return words.FormatOnOff(s.mode.Load().snooping) },
			Set: func(value string) error {
				on, err := words.OnOff("snooping", value)
				if err == nil && on != s.mode.Load().snooping {
					s.groups.Flush()
					s.updateMode(func(m *mode) { m.snooping = on })
				}
				return err
			},
		},
		{
			Name: "fast_leave",
			Get:  func() string { return words.FormatOnOff(s.groups.Settings().FastLeave) },
			Set: func(value string) error {
				on, err := words.OnOff("fast_leave", value)
				if err == nil {
					settings := s.groups.Settings()
					settings.FastLeave = on
					s.groups.SetSettings(settings)
				}
				return err
			},
		},
	}
}

// setVLANs begins or ends to look at tags. What was learned is of no use
// then: addresses are known by VLAN.
func (s *Switch) setVLANs(value string) error {
	on, err := words.OnOff("vlan", value)
	if err != nil || on == s.mode.Load().vlans {
		return err
	}
	if !on && s.mode.Load().stp == stpPerVLAN {
		return fail.Errorf(fail.Busy, "there is a spanning tree for each VLAN: echo off > switch/stp first")
	}
	s.updateMode(func(m *mode) { m.vlans = on })
	s.fdb.Flush()
	s.groups.Flush()
	s.feed.Revoke(0, policy.AnyVLAN)
	return nil
}

// setFastpath lets others repeat what the switch decides, or does not.
func (s *Switch) setFastpath(value string) error {
	on, err := words.OnOff("fastpath", value)
	if err != nil || on == !s.mode.Load().apart {
		return err
	}
	s.updateMode(func(m *mode) { m.apart = !on })
	if on {
		s.feed.Resync()
	} else {
		s.feed.Revoke(0, policy.AnyVLAN)
	}
	return nil
}

// number makes a knob that is a number.
func (s *Switch) number(name string, low, high int, get func() int, set func(int)) policy.Knob {
	return policy.Knob{
		Name: name,
		Get:  func() string { return fmt.Sprint(get()) },
		Set: func(value string) error {
			v, err := words.Int(name, value, low, high)
			if err == nil {
				set(v)
			}
			return err
		},
	}
}

func (s *Switch) knobNames() string {
	var names []string
	for _, k := range s.Knobs() {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}
