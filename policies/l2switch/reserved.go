package l2switch

import (
	"fmt"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/words"
)

// passes tells whether a frame to a reserved address is forwarded all the
// same. The one of the spanning trees, 00, is as long as there is none: so
// loops are seen by the bridges around. The others are if group_forward says
// so (as group_fwd_mask does of Linux's bridge).
func (m *mode) passes(data []byte) bool {
	if data[5] == 0 {
		return m.stp == stpOff
	}
	return m.groupForward>>data[5]&1 != 0
}

// groupForwardKnob is the mask of reserved addresses that are forwarded.
func (s *Switch) groupForwardKnob() policy.Knob {
	return policy.Knob{
		Name: "group_forward",
		Get:  func() string { return fmt.Sprintf("0x%04x", s.mode.Load().groupForward) },
		Set: func(value string) error {
			mask, err := parseGroupForward(value)
			if err == nil {
				s.updateMode(func(m *mode) { m.groupForward = mask })
			}
			return err
		},
	}
}

// parseGroupForward reads a mask: bit n is for the address 01:80:c2:00:00:0n.
func parseGroupForward(text string) (uint16, error) {
	mask, err := words.Mask[uint16]("group_forward", text, 0xffff)
	if err == nil && mask&1 != 0 {
		err = fail.Errorf(fail.Invalid, "group_forward %s: bit 0, 01:80:c2:00:00:00, follows switch/stp: it is forwarded while that is off", text)
	}
	return mask, err
}
