package vnet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"ipnfs/bus/vnet"
)

// verify checks what was made of a frame with a checked header by what the
// standards say of the result: RFC 791, 768, 8200, 9293, 3168.
func verify(h vnet.Header, frame []byte, out [][]byte) error {
	if h.Flags&vnet.NeedsCsum == 0 {
		if len(out) != 1 || !bytes.Equal(out[0], frame) {
			return fmt.Errorf("a complete frame was changed")
		}
		return nil
	}
	if headers := headerLen(h, frame); h.GSOType != vnet.None && len(frame)-headers > int(h.GSOSize) {
		return verifySegments(h, frame, headers, out)
	}

	if len(out) != 1 || len(out[0]) != len(frame) {
		return fmt.Errorf("%d frames, want one of %d bytes", len(out), len(frame))
	}
	field := int(h.CsumStart) + int(h.CsumOffset)
	if !bytes.Equal(out[0][:field], frame[:field]) || !bytes.Equal(out[0][field+2:], frame[field+2:]) {
		return fmt.Errorf("more was changed than the checksum")
	}
	return verifySum(h, out[0], binary.BigEndian.Uint16(frame[field:]))
}

// headerLen is how many bytes stand before the payload of a super-frame.
func headerLen(h vnet.Header, frame []byte) int {
	if h.GSOType == vnet.UDPL4 || h.GSOType == vnet.None {
		return int(h.CsumStart) + 8
	}
	return int(h.CsumStart) + int(frame[h.CsumStart+12]>>4)*4
}

// verifySum checks the checksum of a frame by the sum of its pseudo header:
// with both, the sum of all words is 0xffff (RFC 1071).
func verifySum(h vnet.Header, frame []byte, pseudo uint16) error {
	rest := bytes.Clone(frame[h.CsumStart:])
	field := rest[h.CsumOffset:][:2]
	sum := bytes.Clone(field)
	binary.BigEndian.PutUint16(field, pseudo)
	if s := fold(rest, sum); s != 0xffff {
		return fmt.Errorf("the checksum % x is wrong: the sum is %#x", sum, s)
	}
	return nil
}

// verifySegments checks the segments of a super-frame.
func verifySegments(h vnet.Header, frame []byte, headers int, out [][]byte) error {
	be := binary.BigEndian
	ip, transport := netOffset(frame), int(h.CsumStart)
	var payload []byte
	for i, f := range out {
		if len(f) < headers {
			return fmt.Errorf("segment %d has %d bytes, its headers %d", i, len(f), headers)
		}
		last := i == len(out)-1
		if n := len(f) - headers; n > int(h.GSOSize) || n == 0 || !last && n != int(h.GSOSize) {
			return fmt.Errorf("segment %d of %d has %d bytes of payload", i, len(out), n)
		}
		payload = append(payload, f[headers:]...)

		want := bytes.Clone(frame[:headers])
		if f[ip]>>4 == 4 {
			be.PutUint16(want[ip+2:], uint16(len(f)-ip))
			be.PutUint16(want[ip+4:], be.Uint16(frame[ip+4:])+uint16(i))
			copy(want[ip+10:ip+12], f[ip+10:])
			if s := fold(f[ip:][:int(f[ip]&0xf)*4]); s != 0xffff {
				return fmt.Errorf("segment %d: the checksum of IPv4 is wrong", i)
			}
		} else {
			be.PutUint16(want[ip+4:], uint16(len(f)-ip-40))
		}
		n := uint16(len(f) - transport)
		pseudo := be.Uint16(frame[transport+int(h.CsumOffset):])
		if h.GSOType == vnet.UDPL4 {
			old := be.Uint16(frame[transport+4:])
			pseudo = fold([]byte{byte(pseudo >> 8), byte(pseudo), ^byte(old >> 8), ^byte(old), byte(n >> 8), byte(n)})
			be.PutUint16(want[transport+4:], n)
			copy(want[transport+6:transport+8], f[transport+6:])
			if be.Uint16(f[transport+6:]) == 0 {
				return fmt.Errorf("segment %d: the checksum 0 means none", i)
			}
		} else {
			old := uint16(len(frame) - transport)
			pseudo = fold([]byte{byte(pseudo >> 8), byte(pseudo), ^byte(old >> 8), ^byte(old), byte(n >> 8), byte(n)})
			be.PutUint32(want[transport+4:], be.Uint32(frame[transport+4:])+uint32(i*int(h.GSOSize)))
			copy(want[transport+16:transport+18], f[transport+16:])
			if i > 0 {
				want[transport+13] &= 0x7f // CWR
			}
			if !last {
				want[transport+13] &= 0xf6 // PSH, FIN
			}
		}
		if !bytes.Equal(f[:headers], want) {
			return fmt.Errorf("segment %d has headers\n% x, want\n% x", i, f[:headers], want)
		}
		if err := verifySum(h, f, pseudo); err != nil {
			return fmt.Errorf("segment %d: %v", i, err)
		}
	}
	if !bytes.Equal(payload, frame[headers:]) {
		return fmt.Errorf("the segments' payload is not that of the super-frame")
	}
	return nil
}
