package relay

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"ipnfs/bus/frame"
	"ipnfs/cable"
)

func TestHello(t *testing.T) {
	for _, h := range []Hello{
		{MTU: 1500, ID: cable.ID{1, 2}, Name: "lan"},
		{MTU: frame.MaxFrame, Name: strings.Repeat("a", maxName)},
		{MTU: frame.MinMTU},
	} {
		if got, err := readHello(bytes.NewReader(h.append(nil))); err != nil || got != h {
			t.Errorf("%+v is read as %+v, %v", h, got, err)
		}
	}
}

// A hello that is cut anywhere, or of which any byte of the head is wrong, is refused.
func TestNoHello(t *testing.T) {
	whole := (&Hello{MTU: 1500, Name: "lan"}).append(nil)
	for i := range whole {
		if _, err := readHello(bytes.NewReader(whole[:i])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
		if i < len(magic)+2 {
			wrong := bytes.Clone(whole)
			wrong[i] ^= 0x80
			if _, err := readHello(bytes.NewReader(wrong)); err == nil {
				t.Errorf("byte %d is wrong, and it is taken", i)
			}
		}
	}
}

func FuzzHello(f *testing.F) {
	f.Add((&Hello{MTU: 1500, Name: "lan"}).append(nil))
	f.Add((&Hello{MTU: 1500, Name: strings.Repeat("a", maxName)}).append([]byte{})[:fixed+3])
	f.Add(append((&Hello{MTU: 70}).append(nil)[:fixed-1], 255))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHello(bytes.NewReader(b))
		if err == nil && (h.MTU < frame.MinMTU || h.MTU > frame.MaxFrame || len(h.Name) > 3*maxName) {
			t.Errorf("%+v is taken", h)
		}
	})
}

// Both ends learn what the other one's network is, and whether either refuses.
func TestGreet(t *testing.T) {
	no := errors.New("no")
	for what, c := range map[string]struct {
		claim       error
		far, nearby string
	}{
		"welcome": {nil, "", ""},
		"refused": {no, "no", "already"},
	} {
		a, b := sockets(t)
		near, far := Hello{MTU: 1500, ID: cable.ID{1}, Name: "near"}, Hello{MTU: 9000, ID: cable.ID{2}, Name: "far"}
		done := make(chan error, 1)
		go func() {
			h, err := greet(a, near, func(id cable.ID) error {
				if id != far.ID {
					t.Error("it claims another network")
				}
				return nil
			})
			if err == nil && h != far {
				t.Errorf("%s: the other end is %+v", what, h)
			}
			done <- err
		}()
		_, err := greet(b, far, func(cable.ID) error { return c.claim })
		if err != c.claim {
			t.Errorf("%s: who claims gets %v", what, err)
		}
		if err := <-done; (err == nil) != (c.nearby == "") || err != nil && !strings.Contains(err.Error(), c.nearby) {
			t.Errorf("%s: the other end gets %v", what, err)
		}
	}
}
