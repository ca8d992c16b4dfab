package bustest

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// far is an endpoint with a far end in memory that can stall; flaw names what
// it does wrong.
type far struct {
	attached
	flaw    string
	mu      sync.Mutex // guards what follows; after the Conn's lock
	stalled bool
	frames  [][]byte
}

func (f *far) Claim(_ *frame.Batch, i, j int) (int, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stalled {
		return 0, 0
	}
	if f.flaw == "claims too much" {
		return j - i + 1, 0
	}
	return j - i, 0
}

func (f *far) Emit(b *frame.Batch, i, j int, _ uint64) {
	for k := i; k < j; k++ {
		f.take(b.Frames[k].Data())
	}
}

func (f *far) take(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flaw != "keeps bytes" {
		data = bytes.Clone(data)
	}
	f.frames = append(f.frames, data)
	if n := len(f.frames); f.flaw == "reorders" && n%5 == 0 {
		f.frames[n-1], f.frames[n-2] = f.frames[n-2], f.frames[n-1]
	}
}

func (f *far) Wake() {
	c := f.Conn()
	c.Lock()
	defer c.Unlock()
	f.mu.Lock()
	stalled := f.stalled
	f.mu.Unlock()
	for !stalled && f.flaw != "sleeps" && c.QueuedLocked() > 0 {
		frame := c.PopLocked()
		f.take(bytes.Clone(frame.Data()))
		frame.Release()
	}
}

func (f *far) Stall(on bool) {
	f.mu.Lock()
	f.stalled = on
	f.mu.Unlock()
	f.Wake()
}

func (f *far) Received() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([][]byte(nil), f.frames...)
}

func newFar(flaw string) *Fixture {
	f := &far{flaw: flaw}
	return &Fixture{
		Endpoint: f, Options: both, Received: f.Received, Stall: f.Stall,
		Bring: func(frame []byte) {
			if flaw == "changes" {
				frame = append(frame, 0)
			}
			Send(f.Conn(), frame)
		},
		Close: func() {
			if flaw != "stays" {
				f.Conn().Close()
			}
		},
	}
}

func TestEndpointPasses(t *testing.T) {
	TestEndpoint(t, func(testing.TB) *Fixture { return newFar("") })
}

func TestRecorderIsAnEndpoint(t *testing.T) {
	TestEndpoint(t, func(testing.TB) *Fixture {
		r := &Recorder{}
		return &Fixture{Endpoint: r, Options: bus.JoinOptions{Recv: true}, Received: r.Frames, Close: func() { r.Conn().Close() }}
	})
}

func TestEndpointSuiteFindsFlaws(t *testing.T) {
	for flaw, want := range map[string]struct{ check, what string }{
		"claims too much": {"takes", "claimed"},
		"keeps bytes":     {"takes", "is not one that was sent"},
		"reorders":        {"takes", "came after"},
		"changes":         {"brings", "not brought as it is"},
		"sleeps":          {"stalls", "still wait"},
		"stays":           {"takes", "still open"},
	} {
		t.Run(flaw, func(t *testing.T) {
			if flaw == "sleeps" {
				shorten(t)
			}
			for _, c := range endpointChecks {
				if c.name != want.check {
					continue
				}
				if err := runEndpoint(newFar(flaw), c.run); err == nil || !strings.Contains(err.Error(), want.what) {
					t.Errorf("the check says %v, want something with %q", err, want.what)
				}
			}
		})
	}
}
