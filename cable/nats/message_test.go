package nats

import (
	"bytes"
	"math"
	"testing"

	"ipnfs/bus/frame"
)

// framed is frames as a message has them.
func framed(frames ...[]byte) (b []byte) {
	for _, f := range frames {
		one := frame.NewFrame(f)
		head := make([]byte, frame.Hops4.HeadLen())
		one.PutHead(head, frame.Hops4, 0)
		b = append(append(b, head...), f...)
	}
	return b
}

// made is a message of frames.
func made(h header, frames ...[]byte) []byte {
	h.frames = len(frames)
	b := make([]byte, headerLen)
	h.put(b)
	return append(b, framed(frames...)...)
}

func TestMessage(t *testing.T) {
	want := header{flags: firstOfStream, sender: 0x0102030405060708, sequence: 0x1112131415161718}
	message := made(want, []byte("ab"), []byte("c"))
	wire := "\x01\x01\x00\x02" + "\x01\x02\x03\x04\x05\x06\x07\x08" + "\x11\x12\x13\x14\x15\x16\x17\x18" +
		"\x01\x00\x00\x02ab" + "\x01\x00\x00\x01c"
	if string(message) != wire {
		t.Fatalf("it is\n%q, want\n%q", message, wire)
	}
	want.frames = 2
	h, frames, ok := parse(message, len(message))
	if !ok || h != want || !bytes.Equal(frames, message[headerLen:]) {
		t.Errorf("parsed: %+v %q %v", h, frames, ok)
	}
	if h, frames, ok := parse(made(header{sender: 1}), headerLen); !ok || h.frames != 0 || len(frames) != 0 {
		t.Errorf("one without frames: %+v %q %v", h, frames, ok)
	}
}

func TestMalformed(t *testing.T) {
	good := made(header{sender: 1}, []byte("ab"), []byte("c"))
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	for what, message := range map[string][]byte{
		"nothing":           nil,
		"half a header":     good[:headerLen-1],
		"another version":   change(0, 2),
		"fewer frames":      change(2, 0, 1),
		"more frames":       change(2, 0, 3),
		"no frames":         change(2, 0, 0),
		"a cut frame":       good[:len(good)-1],
		"a cut head":        good[:len(good)-3],
		"more behind":       append(bytes.Clone(good), 0),
		"an empty frame":    append(change(2, 0, 3), 0, 0, 0, 0),
		"a huge frame":      change(headerLen+1, 0xff, 0xff, 0xff),
		"a sequence of all": made(header{sequence: math.MaxUint64}, []byte("a")),
	} {
		if h, _, ok := parse(message, len(message)); ok {
			t.Errorf("%s: taken as %+v", what, h)
		}
	}
}

// What is taken consists of what put and frames make.
func FuzzMessage(f *testing.F) {
	f.Add(made(header{sender: 1, sequence: 7}, []byte("frame"), []byte("f")))
	f.Add(made(header{flags: firstOfStream}))
	f.Add([]byte{1, 0, 0, 1})
	f.Fuzz(func(t *testing.T, message []byte) {
		h, frames, ok := parse(message, len(message))
		if !ok {
			return
		}
		again := make([]byte, headerLen)
		h.put(again)
		if !bytes.Equal(append(again, frames...), message) {
			t.Fatalf("%q: taken as %+v", message, h)
		}
		n := 0
		for len(frames) > 0 {
			frames = frames[4+int(frame.Hops4.Length(frames)):]
			n++
		}
		if n != h.frames {
			t.Fatalf("%d frames, it says %d", n, h.frames)
		}
	})
}
