package lanetest

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// Peer is the far end of a stream of frames, whose near end is a source's.
type Peer struct {
	Form    frame.Form
	In, Out int // descriptors that it reads and writes; -1 when it has closed them

	mu     sync.Mutex
	buf    []byte
	bytes  []byte // received, and no frame yet
	frames [][]byte
	hops   []byte // of each, the first byte of its head
}

// NewPeer makes the far end of a socket until the test ends. near is the source's, who
// closes it.
func NewPeer(tb testing.TB, form frame.Form) (p *Peer, near int) {
	tb.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	p = &Peer{Form: form, In: pair[1], Out: pair[1], buf: make([]byte, 1<<18)}
	tb.Cleanup(p.Close)
	return p, pair[0]
}

// NewPiped is NewPeer by two pipes, of which the source reads in and writes out.
func NewPiped(tb testing.TB, form frame.Form) (p *Peer, in, out int) {
	tb.Helper()
	var there, back [2]int
	for _, ends := range []*[2]int{&there, &back} {
		if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
			tb.Fatal(err)
		}
	}
	p = &Peer{Form: form, In: back[0], Out: there[1], buf: make([]byte, 1<<18)}
	tb.Cleanup(p.Close)
	return p, there[0], back[1]
}

// Wire is frames as a stream of a form has them, where they pass their first cable.
func Wire(form frame.Form, frames ...[]byte) (stream []byte) {
	for _, f := range frames {
		switch form {
		case frame.Length2:
			stream = binary.BigEndian.AppendUint16(stream, uint16(len(f)))
		case frame.Hops4:
			stream = binary.BigEndian.AppendUint32(stream, 1<<24|uint32(len(f)))
		default:
			stream = binary.BigEndian.AppendUint32(stream, uint32(len(f)))
		}
		stream = append(stream, f...)
	}
	return stream
}

// Wire is frames as the peer sends them.
func (p *Peer) Wire(frames ...[]byte) []byte { return Wire(p.Form, frames...) }

// Write sends bytes to the last, or until the source has ended.
func (p *Peer) Write(tb testing.TB, stream []byte) {
	tb.Helper()
	bustest.WaitFor(tb, "the source to read", func() bool {
		n, err := unix.Write(p.Out, stream)
		if err == nil {
			stream = stream[n:]
		}
		return len(stream) == 0 || err != nil && err != unix.EAGAIN
	})
}

// Received returns the frames that came so far.
func (p *Peer) Received() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		n, err := unix.Read(p.In, p.buf)
		if err != nil || n == 0 {
			return slices.Clone(p.frames)
		}
		p.bytes = append(p.bytes, p.buf[:n]...)
		for head := p.Form.HeadLen(); len(p.bytes) >= head; {
			size := head + int(p.Form.Length(p.bytes))
			if len(p.bytes) < size {
				break
			}
			p.frames = append(p.frames, slices.Clone(p.bytes[head:size]))
			p.hops = append(p.hops, p.bytes[0])
			p.bytes = p.bytes[size:]
		}
	}
}

// Hops returns how many cables those frames had passed, in frame.Hops4.
func (p *Peer) Hops() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hops)
}

// Taken returns what Received did before.
func (p *Peer) Taken() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.frames)
}

// Drain reads what is there, and forgets it.
func (p *Peer) Drain() {
	for {
		if n, err := unix.Read(p.In, p.buf); err != nil || n == 0 {
			return
		}
	}
}

// Ended tells whether the source has closed, and all that it sent before was read.
func (p *Peer) Ended() bool {
	n, err := unix.Read(p.In, p.buf[:1])
	return n == 0 && err == nil
}

// HangUp ends the stream for the source; what came before can be read still.
func (p *Peer) HangUp() {
	if p.In == p.Out {
		_ = unix.Shutdown(p.Out, unix.SHUT_RDWR)
	} else if p.Out >= 0 {
		unix.Close(p.Out)
		p.Out = -1
	}
}

// Close closes the descriptors.
func (p *Peer) Close() {
	for _, fd := range slices.Compact([]int{p.In, p.Out}) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	p.In, p.Out = -1, -1
}
