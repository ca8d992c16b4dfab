package vnet_test

import (
	"testing"

	"ipnfs/bus/vnet"
)

// Whatever a peer writes as header and frame: it is refused, or what comes of
// it is right.
func FuzzCheck(f *testing.F) {
	var raw [vnet.HeaderLen]byte
	for _, p := range shapes {
		p.payload = min(p.payload, 2*p.size+1)
		h, frame := p.build()
		h.Put(raw[:])
		f.Add(raw[:], frame, false)
		f.Add(raw[:], frame, true)
	}
	f.Fuzz(func(t *testing.T, raw, frame []byte, push bool) {
		if len(raw) < vnet.HeaderLen {
			return
		}
		h := vnet.Parse(raw)
		if vnet.Check(h, frame) != nil {
			return
		}
		tryAppend(t, h, frame)
		lowersEach(t, h, frame)
		if bytes, _ := vnet.Size(h, frame); h.GSOType != vnet.None && bytes > vnet.MaxAppend {
			t.Errorf("%+v of %d bytes becomes %d", h, len(frame), bytes)
		}

		// A tag may be pushed or popped between Check and Append.
		if push {
			tryAppend(t, h.Shift(4), append(append(frame[:12:12], 0x81, 0, 0x20, 1), frame[12:]...))
		} else if isTag(frame, 12) {
			tryAppend(t, h.Shift(-4), append(frame[:12:12], frame[16:]...))
		}
	})
}

// tryAppend checks what comes of a header that has passed.
func tryAppend(t *testing.T, h vnet.Header, frame []byte) {
	t.Helper()
	out, err := finish(h, frame)
	if err == nil {
		err = verify(h, frame, out)
	}
	if err != nil {
		t.Errorf("%+v: %v", h, err)
	}
}
