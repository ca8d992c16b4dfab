package stream

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// memory is the driver of a stream that comes in pieces of step bytes, whose rest it
// keeps itself. eventfd is readable all the time.
type memory struct {
	eventfd int
	parser  Parser
	stream  []byte
	step    int
	kept    []byte
}

var _ lane.Driver = (*memory)(nil)

func (m *memory) Read(t *lane.Turn, room int) (frames int, err error) {
	piece := m.stream[:min(m.step, len(m.stream))]
	m.stream = m.stream[len(piece):]
	m.kept = append(m.kept, piece...)
	frames, used, err := m.parser.Parse(t, m.kept, room)
	m.kept = bytes.Clone(m.kept[used:])
	size := m.parser.Size(m.kept)
	switch {
	case err != nil:
		return frames, err
	case len(piece) == 0 && (size == 0 || len(m.kept) < size):
		return frames, io.EOF
	}
	return frames, lane.ErrMore
}

func (m *memory) Write(_ *lane.Turn, frames []frame.Frame) (int, error) { return len(frames), nil }

func (m *memory) Close() { unix.Close(m.eventfd) }

// FuzzParser: whoever brings the bytes, in any pieces, the frames are the same.
func FuzzParser(f *testing.F) {
	f.Add(wire(frames(50)...), uint16(1000))
	f.Add(lanetest.Wire(frame.Length2, frames(3)...), uint16(1))
	f.Add(append(lanetest.Wire(frame.Hops4, frames(3)...), 9, 0, 0, 1, 'x', 0, 0, 0, 1, 'y'), uint16(65535))
	f.Add(append(wire(make([]byte, 70000), nil, []byte{1}), 0, 16, 0, 1, 5), uint16(30000))
	f.Fuzz(func(t *testing.T, stream []byte, step uint16) {
		for _, form := range forms {
			l := lanetest.Hub(t)
			got := &bustest.Recorder{}
			l.JoinAs(t, got, bus.JoinOptions{Recv: true})
			eventfd, err := unix.Eventfd(1, unix.EFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			var end lanetest.Ending
			m := &memory{eventfd: eventfd, parser: Parser{Form: form, Net: l.Net}, stream: bytes.Clone(stream), step: max(1, int(step), len(stream)/500)}
			source := lane.Source{FD: eventfd, Driver: m, Bulk: true}
			if _, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{source}, Ended: end.Ended}, both); err != nil {
				t.Fatal(err)
			}
			end.Await(t)
			wantFrames(t, got.Frames(), reference(form, stream, frame.DefaultMTU))
		}
	})
}

// A frame that was given up is skipped, and the next one is found.
func TestGiveUp(t *testing.T) {
	l := lanetest.Hub(t)
	stream := wire(frames(2)...)
	half := wire(frames(1)[0])[:10]
	p := Parser{Form: frame.Length4, Net: l.Net}
	var turn lane.Turn
	frames, used, err := p.Parse(&turn, half, 1)
	if frames != 0 || used != 0 || err != nil || p.Size(half) != 4+len(lanetest.Frame(1, 0)) {
		t.Errorf("half a frame: %d frames, %d bytes used, %v, %d wanted", frames, used, err, p.Size(half))
	}
	p.skip = p.Size(half) // GiveUp counts, too, at a lane's turn
	for at := 0; at < len(stream); at += used {
		if _, used, err = p.Parse(&turn, stream[at:], 1); err != nil || used == 0 {
			t.Fatalf("%d bytes used, %v", used, err)
		}
	}
	if len(turn.Batch.Frames) != 1 || !bytes.Equal(turn.Batch.Frames[0].Data(), lanetest.Frame(1, 1)) {
		t.Errorf("%d frames came, want the second", len(turn.Batch.Frames))
	}
}

// A frame is appended where it fits, or nothing is changed.
func TestAppend(t *testing.T) {
	long, far := frame.NewFrame(make([]byte, frame.MaxPrefixed+1)), frame.NewFrame([]byte{1})
	far.SetHops(frame.MaxHops)
	small, one := frame.NewFrame([]byte{1, 2}), frame.NewFrame([]byte{1})
	one.SetHops(3)
	for what, c := range map[string]struct {
		f    frame.Frame
		form frame.Form
		room int
		want []byte
		err  error
	}{
		"fits":            {small, frame.Length2, 4, []byte{0, 2, 1, 2}, nil},
		"does not":        {small, frame.Length2, 3, nil, ErrRoom},
		"not even a head": {small, frame.Length4, 1, nil, ErrRoom},
		"in 4 bytes":      {small, frame.Length4, 9, []byte{0, 0, 0, 2, 1, 2}, nil},
		"with hops":       {one, frame.Hops4, 9, []byte{4, 0, 0, 1, 1}, nil},
		"too long":        {long, frame.Length2, 1 << 17, nil, ErrForm},
		"too far":         {far, frame.Hops4, 9, nil, ErrForm},
	} {
		before := append(make([]byte, 0, 1+c.room), 0xee)
		got, err := Append(before, c.form, &c.f)
		if !errors.Is(err, c.err) || !bytes.Equal(got, append([]byte{0xee}, c.want...)) || &got[0] != &before[0] {
			t.Errorf("%s: % x, %v, want % x, %v", what, got, err, c.want, c.err)
		}
	}
}

// FuzzAppend: what is appended is parsed as it was.
func FuzzAppend(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(0), uint16(100))
	f.Add(make([]byte, 2000), uint8(7), uint16(2004))
	f.Add([]byte{1}, uint8(8), uint16(4))
	l := lanetest.Hub(f)
	f.Fuzz(func(t *testing.T, data []byte, hops uint8, room uint16) {
		if len(data) == 0 {
			return
		}
		for _, form := range forms {
			one := frame.NewFrame(data)
			one.SetHops(hops)
			var buf []byte
			n := 0
			for buf = make([]byte, 0, room); n < 100; n++ {
				more, err := Append(buf, form, &one)
				if err != nil {
					break
				}
				buf = more
			}
			var turn lane.Turn
			p := Parser{Form: form, Net: l.Net}
			frames, used, err := p.Parse(&turn, buf, n+1)
			if frames != n || used != len(buf) || err != nil {
				t.Fatalf("form %#x: %d of %d frames, %d of %d bytes, %v", form, frames, n, used, len(buf), err)
			}
			for i := range turn.Batch.Frames {
				if !bytes.Equal(turn.Batch.Frames[i].Data(), data) {
					t.Fatalf("form %#x: frame %d changed", form, i)
				}
			}
		}
	})
}
