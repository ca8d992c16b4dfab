package l2switch

import (
	"fmt"
	"strconv"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
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

// parseGroupForward reads a mask in decimal or, behind 0x, in hexadecimal.
func parseGroupForward(text string) (uint16, error) {
	digits, base, allowed := text, 10, "0123456789"
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		digits, base, allowed = hex, 16, "0123456789abcdef"
	}
	if digits == "" || strings.Trim(digits, allowed) != "" {
		return 0, fail.Errorf(fail.Invalid, "group_forward %q: must be a number, bit n for the address 01:80:c2:00:00:0n, such as 0x4000", text)
	}
	mask, err := strconv.ParseUint(digits, base, 16)
	if err != nil {
		return 0, fail.Errorf(fail.Range, "group_forward %s: must be at most 0xffff", text)
	}
	if mask&1 != 0 {
		return 0, fail.Errorf(fail.Invalid, "group_forward %s: bit 0, 01:80:c2:00:00:00, follows switch/stp: it is forwarded while that is off", text)
	}
	return uint16(mask), nil
}
