package stp

import "encoding/binary"

// A BPDU in an ethernet frame (7.12.3, 9.3; IEEE Std 802.3, 3.2).
const (
	frameSize = 60 // the shortest ethernet frame, without FCS
	llcOffset = 14
	llcSize   = 3
	bpduStart = llcOffset + llcSize

	tcnSize    = 4
	configSize = 35
	rstSize    = 36
)

// group is the bridge group address, table 7-10.
var group = [6]byte{0x01, 0x80, 0xc2, 0x00, 0x00, 0x00}

// kind is the type of a BPDU (9.3).
type kind uint8

const (
	configBPDU kind = 0x00
	rstBPDU    kind = 0x02
	tcnBPDU    kind = 0x80
)

// Flags of a BPDU (9.3.3). A configuration BPDU has the first and the last.
const (
	flagTC         = 1 << 0
	flagProposal   = 1 << 1
	flagLearning   = 1 << 4
	flagForwarding = 1 << 5
	flagAgreement  = 1 << 6
	flagTCAck      = 1 << 7

	roleShift      = 2
	roleMask       = 3 << roleShift
	roleUnknown    = 0 << roleShift
	roleAlternate  = 1 << roleShift // or backup
	roleRoot       = 2 << roleShift
	roleDesignated = 3 << roleShift
)

// bpdu is a decoded BPDU. Of a TCN there is only the kind.
type bpdu struct {
	kind   kind
	flags  uint8
	vector vector
	times  times
}

// IsBPDU tells whether an untagged frame is addressed to the bridges' spanning
// tree protocol: to the bridge group address, with the LLC address of the
// protocol. It says nothing about what is inside.
func IsBPDU(frame []byte) bool {
	return len(frame) >= bpduStart &&
		[6]byte(frame) == group &&
		binary.BigEndian.Uint16(frame[12:]) <= 1500 && // a length, not a type
		frame[14] == 0x42 && frame[15] == 0x42 && frame[16] == 0x03
}

// decode reads the BPDU in a frame for which IsBPDU is true, and tells whether
// it is one to process (9.3.4).
func decode(frame []byte) (m bpdu, ok bool) {
	end := llcOffset + int(binary.BigEndian.Uint16(frame[12:]))
	if end > len(frame) || end < bpduStart+tcnSize {
		return m, false
	}
	b := frame[bpduStart:end]
	protocol, version := binary.BigEndian.Uint16(b), b[2]
	m.kind = kind(b[3])
	switch {
	case protocol != 0:
		return m, false
	case m.kind == tcnBPDU:
		return m, true
	case m.kind == configBPDU && len(b) >= configSize:
	case m.kind == rstBPDU && len(b) >= rstSize && version >= 2: // 3 and more: MSTP
	default:
		return m, false
	}
	m.flags = b[4]
	if m.kind == rstBPDU && m.flags&roleMask == roleUnknown {
		m.kind = configBPDU // 9.2.9, note
	}
	age, maxAge := binary.BigEndian.Uint16(b[27:]), binary.BigEndian.Uint16(b[29:])
	if m.kind == configBPDU {
		if age >= maxAge {
			return m, false
		}
		// Only a designated port sends one.
		m.flags = m.flags&(flagTC|flagTCAck) | roleDesignated
	}
	m.vector = vector{
		root:   BridgeID(binary.BigEndian.Uint64(b[5:])),
		cost:   binary.BigEndian.Uint32(b[13:]),
		bridge: BridgeID(binary.BigEndian.Uint64(b[17:])),
		port:   PortID(binary.BigEndian.Uint16(b[25:])),
	}
	m.times = times{
		age:    seconds(age),
		maxAge: min(max(seconds(maxAge), 6), 40),
		hello:  min(max(seconds(binary.BigEndian.Uint16(b[31:])), 1), 10),
		delay:  min(max(seconds(binary.BigEndian.Uint16(b[33:])), 4), 30),
	}
	return m, true
}

// seconds rounds a time of a BPDU, in 1/256 s (9.2.8), to whole seconds.
func seconds(t uint16) int { return (int(t) + 128) / 256 }

// encode writes m as a frame from the address src.
func (m *bpdu) encode(frame *[frameSize]byte, src [6]byte) {
	*frame = [frameSize]byte{}
	copy(frame[:], group[:])
	copy(frame[6:], src[:])
	copy(frame[llcOffset:], []byte{0x42, 0x42, 0x03})
	b := frame[bpduStart:]
	b[3] = byte(m.kind)
	size := tcnSize
	if m.kind != tcnBPDU {
		size = configSize
		b[4] = m.flags
		binary.BigEndian.PutUint64(b[5:], uint64(m.vector.root))
		binary.BigEndian.PutUint32(b[13:], m.vector.cost)
		binary.BigEndian.PutUint64(b[17:], uint64(m.vector.bridge))
		binary.BigEndian.PutUint16(b[25:], uint16(m.vector.port))
		for i, t := range [...]int{m.times.age, m.times.maxAge, m.times.hello, m.times.delay} {
			binary.BigEndian.PutUint16(b[27+2*i:], uint16(t)<<8)
		}
	}
	if m.kind == rstBPDU {
		size = rstSize // the last octet, Version 1 Length, is 0
		b[2] = 2
	}
	binary.BigEndian.PutUint16(frame[12:], uint16(llcSize+size))
}
