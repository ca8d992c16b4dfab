package nats

import (
	"encoding/binary"

	"ipnfs/bus/frame"
)

// A message is a header and frames, one behind the other, each behind a head of
// frame.Hops4:
//
//	0  version, 1
//	1  flags: firstOfStream
//	2  how many frames follow
//	4  the sender, a number by chance
//	12 how many frames the sender sent before in this stream
//
// All numbers are big-endian. A stream is what one sender sends to one subject.
const (
	version   = 1
	headerLen = 20

	// maxSequence bounds sequences, so that nothing overflows.
	maxSequence = 1 << 62
)

// firstOfStream says that what came before in the stream was lost by nobody.
const firstOfStream = 1

type header struct {
	flags    uint8
	frames   int
	sender   uint64
	sequence uint64
}

// put writes h to dst, of headerLen bytes.
func (h header) put(dst []byte) {
	dst[0], dst[1] = version, h.flags
	binary.BigEndian.PutUint16(dst[2:], uint16(h.frames))
	binary.BigEndian.PutUint64(dst[4:], h.sender)
	binary.BigEndian.PutUint64(dst[12:], h.sequence)
}

// parse takes a message of so many bytes apart. frames are whole, and as many as h says;
// ok is false if that is not so, or it is of another version. If message is the beginning
// alone, frames are not looked at.
func parse(message []byte, size int) (h header, frames []byte, ok bool) {
	if len(message) < headerLen || message[0] != version {
		return h, nil, false
	}
	h = header{
		flags:    message[1],
		frames:   int(binary.BigEndian.Uint16(message[2:])),
		sender:   binary.BigEndian.Uint64(message[4:]),
		sequence: binary.BigEndian.Uint64(message[12:]),
	}
	frames = message[headerLen:]
	ok = h.sequence < maxSequence && (len(message) < size || whole(frames, h.frames))
	return h, frames, ok
}

// whole tells whether b is so many frames, none of them empty.
func whole(b []byte, frames int) bool {
	const head = 4
	for range frames {
		if len(b) <= head {
			return false
		}
		n := int(frame.Hops4.Length(b))
		if n == 0 || n > frame.MaxFrame || len(b) < head+n {
			return false
		}
		b = b[head+n:]
	}
	return len(b) == 0
}
