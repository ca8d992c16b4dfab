package lane

import (
	"bytes"
	"slices"
	"testing"

	"ipnfs/bus/frame"
)

// pick takes any frame.
func TestPick(t *testing.T) {
	e := &Endpoint{sources: []*source{{}, {}, {}}}
	for n := range 30 {
		f := frame.NewFrame(bytes.Repeat([]byte{0xff}, n))
		if !slices.Contains(e.sources, e.pick(&f)) {
			t.Errorf("a frame of %d bytes goes to no source", n)
		}
	}
}
