package vlan

import (
	"encoding/binary"

	"ipnfs/bus/frame"
)

// Tag protocol identifiers (IEEE 802.1Q table 9-1).
const (
	TPIDC = 0x8100 // customer tag, 802.1Q
	TPIDS = 0x88a8 // service tag, 802.1ad
)

// Tag is what is known of a frame's VLAN. The zero Tag is that of every frame
// on a switch without VLANs.
type Tag struct {
	VLAN   uint16
	Prio   uint16 // PCP and DEI, where they stand in a TCI
	TPID   uint16 // of the tag that the frame came with; 0: it has none
	Inside uint16 // VLAN in that tag, 0 for a priority tag
}

// Member is how a port takes part in VLANs. It is immutable.
type Member struct {
	PVID   uint16 // VLAN of untagged frames; 0: they are dropped
	Tagged *Set   // VLANs whose frames are tagged here, never nil
	TPID   uint16 // of the tags that count here
}

const (
	headerLen = 14 // bytes of an ethernet header
	tagLen    = 4  // bytes of a tag
)

// Classify finds the VLAN of a frame that came by the port, or tells that it
// is to be dropped (IEEE 802.1Q 6.9, 8.6.1, 8.6.2). Tags of another protocol than
// the port's are data: so a customer's tags pass a provider's network. The frame
// has a whole ethernet header.
func (m *Member) Classify(data []byte) (Tag, bool) {
	if binary.BigEndian.Uint16(data[12:]) != m.TPID {
		return Tag{VLAN: m.PVID}, m.PVID != 0
	}
	if len(data) < headerLen+tagLen {
		return Tag{}, false
	}
	tci := binary.BigEndian.Uint16(data[14:])
	t := Tag{VLAN: tci & 0xfff, Prio: tci & 0xf000, TPID: m.TPID, Inside: tci & 0xfff}
	if t.VLAN == 0 {
		t.VLAN = m.PVID
		return t, m.PVID != 0
	}
	return t, t.VLAN <= MaxID && m.Has(t.VLAN)
}

// Has tells whether the port is in the VLAN.
func (m *Member) Has(vlan uint16) bool { return vlan == m.PVID || m.Tagged.Has(vlan) }

// Same tells whether the port takes part as before says, tags aside.
func (m *Member) Same(before *Member) bool {
	return m.PVID == before.PVID && *m.Tagged == *before.Tagged
}

// Differs tells whether frames of the VLAN come or leave by the port in another
// way than before says.
func (m *Member) Differs(before *Member, vlan uint16) bool {
	return m.Tagged.Has(vlan) != before.Tagged.Has(vlan) || (m.PVID == vlan) != (before.PVID == vlan) ||
		m.TPID != before.TPID && m.Has(vlan)
}

// Egress tells how a frame's tags change on its way out of the port, or that
// it may not leave there (IEEE 802.1Q 8.6.4, 6.9.2). The priority goes from tag to
// tag; an untagged frame has none.
func (m *Member) Egress(t Tag) (frame.Edit, bool) {
	var e frame.Edit
	switch {
	case m.Tagged.Has(t.VLAN):
		if t.TPID == m.TPID && t.Inside == t.VLAN {
			return e, true // as it is
		}
		e.Push = uint32(m.TPID)<<16 | uint32(t.Prio|t.VLAN)
	case m.PVID != t.VLAN:
		return e, false
	}
	if t.TPID != 0 {
		e.Strip = 1
	}
	return e, true
}

// AddTo adds the VLANs of the port to a set, but for those of a port that has
// all of them.
func (m *Member) AddTo(s *Set) {
	if m.PVID != 0 {
		s.Add(m.PVID)
	}
	if !m.Tagged.IsAll() {
		s.AddSet(m.Tagged)
	}
}

// Names tells whether AddTo adds the VLAN.
func (m *Member) Names(vlan uint16) bool {
	return vlan == m.PVID || !m.Tagged.IsAll() && m.Tagged.Has(vlan)
}
