package l2switch

import (
	"encoding/binary"
	"strconv"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/words"
)

// VLAN identifiers (IEEE 802.1Q 9.6): 0 is none, a tag with it carries only a
// priority; 4095 is reserved.
const (
	vlanIDs     = 4096
	maxVLAN     = 4094
	defaultVLAN = 1
)

// Tag protocol identifiers (IEEE 802.1Q table 9-1).
const (
	tpidC = 0x8100 // customer tag, 802.1Q
	tpidS = 0x88a8 // service tag, 802.1ad
)

// tag is what is known of a frame's VLAN. The zero tag is that of every frame
// on a switch without VLANs.
type tag struct {
	vlan   uint16
	prio   uint16 // PCP and DEI, where they stand in a TCI
	tpid   uint16 // of the tag that the frame came with; 0: it has none
	inside uint16 // VLAN in that tag, 0 for a priority tag
}

// classify finds the VLAN of a frame that came by the port, or tells that it
// is to be dropped (IEEE 802.1Q 6.9, 8.6.1, 8.6.2). Tags of another protocol than
// the port's are data: so a customer's tags pass a provider's network.
func (c *config) classify(data []byte) (tag, bool) {
	if binary.BigEndian.Uint16(data[12:]) != c.tpid {
		return tag{vlan: c.pvid}, c.pvid != 0
	}
	if len(data) < headerLen+4 {
		return tag{}, false
	}
	tci := binary.BigEndian.Uint16(data[14:])
	t := tag{vlan: tci & 0xfff, prio: tci & 0xf000, tpid: c.tpid, inside: tci & 0xfff}
	if t.vlan == 0 {
		t.vlan = c.pvid
		return t, c.pvid != 0
	}
	return t, t.vlan <= maxVLAN && c.member(t.vlan)
}

// member tells whether the port is in the VLAN.
func (c *config) member(vlan uint16) bool { return vlan == c.pvid || c.tagged.has(vlan) }

// differs tells whether frames of the VLAN come or leave by the port in another
// way than with the config before.
func (c *config) differs(before *config, vlan uint16) bool {
	return c.tagged.has(vlan) != before.tagged.has(vlan) || (c.pvid == vlan) != (before.pvid == vlan) ||
		c.tpid != before.tpid && c.member(vlan)
}

// egress tells how a frame's tags change on its way out of the port, or that
// it may not leave there (IEEE 802.1Q 8.6.4, 6.9.2). The priority goes from tag to
// tag; an untagged frame has none.
func (c *config) egress(t tag) (frame.Edit, bool) {
	var e frame.Edit
	switch {
	case c.tagged.has(t.vlan):
		if t.tpid == c.tpid && t.inside == t.vlan {
			return e, true // as it is
		}
		e.Push = uint32(c.tpid)<<16 | uint32(t.prio|t.vlan)
	case c.pvid != t.vlan:
		return e, false
	}
	if t.tpid != 0 {
		e.Strip = 1
	}
	return e, true
}

// vlanSet is a set of VLAN identifiers.
type vlanSet [vlanIDs / 64]uint64

func (s *vlanSet) has(vlan uint16) bool { return s[vlan>>6]&(1<<(vlan&63)) != 0 }

func (s *vlanSet) add(vlan uint16) { s[vlan>>6] |= 1 << (vlan & 63) }

// String gives the set as parseVLANs takes it.
func (s *vlanSet) String() string {
	if *s == allVLANs {
		return "all"
	}
	var parts []string
	for v := 1; v <= maxVLAN; v++ {
		if !s.has(uint16(v)) {
			continue
		}
		first := v
		for v < maxVLAN && s.has(uint16(v+1)) {
			v++
		}
		part := strconv.Itoa(first)
		if v > first {
			part += "-" + strconv.Itoa(v)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ",")
}

var allVLANs = func() (s vlanSet) {
	for v := uint16(1); v <= maxVLAN; v++ {
		s.add(v)
	}
	return s
}()

// parseVLANs reads a set: none, all, or numbers and ranges (10,20-29) with
// commas or spaces between.
func parseVLANs(text string) (*vlanSet, error) {
	s := &vlanSet{}
	switch text {
	case "none":
		return s, nil
	case "all":
		*s = allVLANs
		return s, nil
	}
	list := words.List(text)
	if len(list) == 0 {
		return nil, fail.Errorf(fail.Invalid, "no VLANs: numbers and ranges (10,20-29), all, or none")
	}
	for _, word := range list {
		low, high, isRange := strings.Cut(word, "-")
		from, err := parseVLAN(low)
		to := from
		if err == nil && isRange {
			to, err = parseVLAN(high)
		}
		if err != nil {
			return nil, err
		}
		if to < from {
			return nil, fail.Errorf(fail.Invalid, "VLANs %s: the range is empty", word)
		}
		for v := from; v <= to; v++ {
			s.add(v)
		}
	}
	return s, nil
}

// parseVLAN reads a VLAN identifier.
func parseVLAN(text string) (uint16, error) { return words.Int[uint16]("VLAN", text, 1, maxVLAN) }
