package bustest

import (
	"encoding/binary"
	"fmt"

	"ipnfs/bus"
)

// Frames of a suite end in a mark that tells who sent them, as which one in
// order, and whether all bytes are still what they were.
//
//	header | padding of any length, each byte seq+i | sender 4 | seq 4 | lengths 4 | "mark"

// markSize is the size in bytes of a mark without header and padding.
const markSize = 16

// EthernetHeader is the usual header of a frame from that sender: to the
// broadcast address, of the EtherType for local experiments.
func EthernetHeader(sender int) []byte {
	h := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0, 0x88, 0xb5}
	binary.BigEndian.PutUint32(h[8:], uint32(sender))
	return h
}

// Mark makes the seq-th frame of a sender, with padding bytes between the
// header and the mark.
func Mark(header []byte, sender, seq, padding int) []byte {
	f := append([]byte(nil), header...)
	for i := range padding {
		f = append(f, byte(seq+i))
	}
	f = binary.BigEndian.AppendUint32(f, uint32(sender))
	f = binary.BigEndian.AppendUint32(f, uint32(seq))
	f = binary.BigEndian.AppendUint32(f, uint32(len(header))<<24|uint32(padding))
	return append(f, "mark"...)
}

// ReadMark takes apart what Mark made, or says what is wrong with it.
func ReadMark(f []byte) (sender, seq int, err error) {
	if len(f) < markSize || string(f[len(f)-4:]) != "mark" {
		return 0, 0, fmt.Errorf("frame of %d bytes is not one that was sent: % x", len(f), f[:min(len(f), 32)])
	}
	mark := f[len(f)-markSize:]
	sender, seq = int(binary.BigEndian.Uint32(mark)), int(binary.BigEndian.Uint32(mark[4:]))
	lengths := binary.BigEndian.Uint32(mark[8:])
	header, padding := int(lengths>>24), int(lengths&0xffffff)
	if len(f) != header+padding+markSize {
		return 0, 0, fmt.Errorf("frame %d of sender %d has %d bytes, not %d", seq, sender, len(f), header+padding+markSize)
	}
	for i := range padding {
		if f[header+i] != byte(seq+i) {
			return 0, 0, fmt.Errorf("frame %d of sender %d: byte %d was changed", seq, sender, header+i)
		}
	}
	return sender, seq, nil
}

// CheckOrder checks that frames are whole, that those of each sender came in
// the order in which he sent them, each at most once, and that none is from
// one of the senders self.
func CheckOrder(frames [][]byte, self ...int) error {
	last := map[int]int{}
	for _, f := range frames {
		sender, seq, err := ReadMark(f)
		if err != nil {
			return err
		}
		for _, s := range self {
			if sender == s {
				return fmt.Errorf("frame %d of sender %d came back to its own port", seq, sender)
			}
		}
		if before, ok := last[sender]; ok && seq <= before {
			return fmt.Errorf("frame %d of sender %d came after its frame %d", seq, sender, before)
		}
		last[sender] = seq
	}
	return nil
}

// Stream puts frames one behind the other in stream form, each behind its
// 2-byte length.
func Stream(frames ...[]byte) []byte {
	var s []byte
	for _, f := range frames {
		s = binary.BigEndian.AppendUint16(s, uint16(len(f)))
		s = append(s, f...)
	}
	return s
}

// CheckBalance checks that every copy meant for a receiver is accounted for:
// received, waiting, or dropped for a reason.
func CheckBalance(s bus.Stats) error {
	sum := s.Received + s.Queued
	for _, n := range s.Drops {
		sum += n
	}
	if s.Offered != sum {
		return fmt.Errorf("offered %d, but received %d + queued %d + dropped %v = %d", s.Offered, s.Received, s.Queued, s.Drops, sum)
	}
	return nil
}
