package bus_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// parse is SetStreamIn written plainly: the frames, the bytes parsed, and
// whether a frame over mtu comes next.
func parse(form frame.Form, span []byte, mtu int) (frames [][]byte, used int, tooLong bool) {
	head := form.HeadLen()
	for len(frames) < frame.MaxBatch && len(span)-used >= head {
		n := 0
		for _, c := range span[used:][:head] {
			n = n<<8 | int(c)
		}
		if form == frame.Hops4 {
			n &= 0xffffff
		}
		if n > mtu {
			return frames, used, true
		}
		if len(span)-used-head < n {
			break
		}
		if n > 0 {
			frames = append(frames, span[used+head:used+head+n])
		}
		used += head + n
	}
	return frames, used, false
}

func checkStream(t *testing.T, b *bus.Batch, form frame.Form, span []byte, mtu int) (frames [][]byte, used int) {
	t.Helper()
	head := form.HeadLen()
	frames, wantUsed, wantLong := parse(form, span, mtu)
	used, long := b.SetStreamIn(form, span, mtu)
	if used != wantUsed || long != wantLong || len(b.Frames) != len(frames) {
		t.Fatalf("SetStreamIn(%#x) of %d bytes, mtu %d: used %d, too long %v, %d frames; want %d, %v, %d",
			form, len(span), mtu, used, long, len(b.Frames), wantUsed, wantLong, len(frames))
	}
	for i := range b.Frames {
		f := &b.Frames[i]
		raw, ok := f.In(as(form))
		if form == frame.Hops4 { // it does not pass as it lies
			raw = span[b.Offset(i):][:head+f.Len()]
			ok = ok && f.Hops() == raw[0]
		}
		if !ok || !bytes.HasSuffix(raw, frames[i]) || len(raw) != head+len(frames[i]) || !bytes.Equal(f.Data(), frames[i]) || f.Len() != len(frames[i]) {
			t.Fatalf("frame %d is %x, in stream form %x (%v), want %x", i, f.Data(), raw, ok, frames[i])
		}
		if at := b.Offset(i); !bytes.Equal(span[at:at+head+len(frames[i])], raw) {
			t.Fatalf("frame %d is said to begin at %d", i, at)
		}
	}
	return frames, used
}

func TestSetStream(t *testing.T) {
	long := make([]byte, 61)
	for what, c := range map[string]struct {
		span    []byte
		frames  int
		used    int
		tooLong bool
	}{
		"nothing":              {nil, 0, 0, false},
		"half a length":        {[]byte{0}, 0, 0, false},
		"a length alone":       {[]byte{0, 5}, 0, 0, false},
		"a zero length":        {[]byte{0, 0}, 0, 2, false},
		"zero lengths between": {[]byte{0, 0, 0, 1, 'a', 0, 0, 0, 0, 0, 1, 'b', 0, 0}, 2, 14, false},
		"one and a half":       {[]byte{0, 1, 'a', 0, 2, 'b'}, 1, 3, false},
		"the longest":          {bustest.Stream(long[:60]), 1, 62, false},
		"over the mtu":         {bustest.Stream(long), 0, 0, true},
		"over it, unfinished":  {[]byte{0xff, 0xff, 1}, 0, 0, true},
		"one before it":        {bustest.Stream([]byte("a"), long, []byte("b")), 1, 3, true},
		"as many as go":        {bytes.Repeat([]byte{0, 1, 'x'}, frame.MaxBatch), frame.MaxBatch, 3 * frame.MaxBatch, false},
		"more than go":         {bytes.Repeat([]byte{0, 1, 'x'}, frame.MaxBatch+1), frame.MaxBatch, 3 * frame.MaxBatch, false},
	} {
		var b bus.Batch
		used, tooLong := b.SetStream(c.span, 60)
		if len(b.Frames) != c.frames || used != c.used || tooLong != c.tooLong {
			t.Errorf("%s: %d frames, used %d, too long %v; want %+v", what, len(b.Frames), used, tooLong, c)
		}
		checkStream(t, &b, frame.Length2, c.span, 60)
		b.Reset()
		if len(b.Frames) != 0 {
			t.Errorf("%s: %d frames after Reset", what, len(b.Frames))
		}
	}
}

func TestSetStreamOfQEMU(t *testing.T) {
	long := make([]byte, 70<<10)
	stream := func(n int) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(n)), long[:n]...) }
	for what, c := range map[string]struct {
		span    []byte
		frames  int
		used    int
		tooLong bool
	}{
		"nothing":            {nil, 0, 0, false},
		"most of a length":   {[]byte{0, 0, 0}, 0, 0, false},
		"a length alone":     {[]byte{0, 0, 0, 5}, 0, 0, false},
		"a zero length":      {[]byte{0, 0, 0, 0, 0}, 0, 4, false},
		"one and a half":     {[]byte{0, 0, 0, 1, 'a', 0, 0, 0, 2, 'b'}, 1, 5, false},
		"over 16 bits":       {stream(1 << 16), 1, 4 + 1<<16, false},
		"the longest":        {stream(68 << 10), 1, 4 + 68<<10, false},
		"over the mtu":       {stream(68<<10 + 1), 0, 0, true},
		"of 4 GiB":           {[]byte{0xff, 0xff, 0xff, 0xff}, 0, 0, true},
		"of 2 GiB behind it": {[]byte{0, 0, 0, 1, 'a', 0x80, 0, 0, 0}, 1, 5, true},
		"as many as go":      {bytes.Repeat([]byte{0, 0, 0, 1, 'x'}, frame.MaxBatch+1), frame.MaxBatch, 5 * frame.MaxBatch, false},
	} {
		var b bus.Batch
		used, tooLong := b.SetStreamIn(frame.Length4, c.span, 68<<10)
		if len(b.Frames) != c.frames || used != c.used || tooLong != c.tooLong {
			t.Errorf("%s: %d frames, used %d, too long %v; want %d, %d, %v", what, len(b.Frames), used, tooLong, c.frames, c.used, c.tooLong)
		}
		checkStream(t, &b, frame.Length4, c.span, 68<<10)
	}
}

func FuzzSetStream(f *testing.F) {
	f.Add([]byte{0, 1, 'a', 0, 0, 0, 2, 'b', 'c'}, uint16(1500), uint8(3), false)
	f.Add([]byte{0, 61, 'a'}, uint16(60), uint8(1), false)
	f.Add(bytes.Repeat([]byte{0, 1, 'x'}, frame.MaxBatch+3), uint16(65535), uint8(200), false)
	f.Add([]byte{0, 0, 0, 1, 'a', 0, 0, 0, 0, 0, 0, 0, 2, 'b', 'c'}, uint16(1500), uint8(3), true)
	f.Add([]byte{0, 0, 0, 1, 'a', 0xff, 0xff, 0xff, 0xff}, uint16(60), uint8(1), true)
	f.Fuzz(func(t *testing.T, span []byte, mtu uint16, piece uint8, qemu bool) {
		form := frame.Length2
		if qemu {
			form = frame.Length4
		}
		span = span[:min(len(span), 8192)]
		checkStream(t, &bus.Batch{}, frame.Hops4, span, int(mtu))
		l := bustest.NewLab(t, hub)
		takes, queues := &bustest.Recorder{}, &bustest.Sink{}
		l.Join(t, takes)
		l.Join(t, queues)
		set(t, l, func(s *bus.Settings) { s.Queue = bus.MaxQueue })
		from := l.Join(t, &bustest.Recorder{})

		// However the bytes are split, and whoever takes them, the frames are
		// the same.
		var want [][]byte
		var b bus.Batch
		whole := bytes.Clone(span)
		for rest, have := []byte(nil), 0; have < len(whole); {
			n := min(1+int(piece), len(whole)-have)
			rest = append(rest, whole[have:have+n]...)
			have += n
			frames, used := checkStream(t, &b, form, rest, int(mtu))
			for _, data := range frames {
				want = append(want, bytes.Clone(data))
			}
			if sent := from.Send(&b); sent != len(frames) {
				t.Fatalf("%d of %d frames went", sent, len(frames))
			}
			b.Reset()
			rest = append([]byte(nil), rest[used:]...)
		}
		for what, got := range map[string][][]byte{"taken": takes.Frames(), "queued": queues.TakeAll()} {
			if len(got) != len(want) {
				t.Fatalf("%s: %d frames, want %d", what, len(got), len(want))
			}
			for i := range got {
				if !bytes.Equal(got[i], want[i]) {
					t.Fatalf("%s: frame %d is %x, want %x", what, i, got[i], want[i])
				}
			}
		}
	})
}

// All receivers that queue share one copy, whatever part of a batch they
// queue, and it is given back with the last frame.
func TestKeptBlocksAreShared(t *testing.T) {
	frames := [][]byte{}
	for i := range 20 {
		frames = append(frames, append([]byte{255, byte(i)}, make([]byte, 50)...))
	}
	var one int64
	for _, receivers := range []int{1, 5} {
		l := bustest.NewLab(t, directed)
		sinks := make([]bustest.Sink, receivers)
		for i := range sinks {
			l.Join(t, &sinks[i])
		}
		from := l.Join(t, &bustest.Recorder{})
		bustest.SendBatch(from, frames...)
		used := l.Bus.Memory.Waiting()
		if one == 0 {
			one = used
		}
		if used != one || used == 0 {
			t.Errorf("%d receivers: %d bytes are used, with one it was %d", receivers, used, one)
		}
		for i := range sinks {
			if l.Bus.Memory.Waiting() != one {
				t.Errorf("memory was given back while %d receivers still queue", receivers-i)
			}
			if got := numbers(sinks[i].TakeAll()); got != fmt.Sprint([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}) {
				t.Errorf("receiver %d got %s", i, got)
			}
		}
		if used := l.Bus.Memory.Waiting(); used != 0 {
			t.Errorf("%d bytes are used when all was received", used)
		}
	}
}

// Receivers that begin to queue at different places of one batch, the later
// place first.
func TestKeepFromTheMiddle(t *testing.T) {
	l := bustest.NewLab(t, directed)
	var pullers [4]bustest.Puller
	for i, reads := range []int{7, 2, 9, 0} {
		l.Join(t, &pullers[i])
		pullers[i].Pull(reads)
	}
	from := l.Join(t, &bustest.Recorder{})
	fill(from, 0, 10, 10)
	for i := range pullers {
		pullers[i].Pull(10)
		if got := numbers(pullers[i].Frames()); got != "[0 1 2 3 4 5 6 7 8 9]" {
			t.Errorf("receiver %d got %s", i, got)
		}
	}
	if used := l.Bus.Memory.Waiting(); used != 0 {
		t.Errorf("%d bytes are used when all was received", used)
	}
}

// A single frame that queues gets its length in front, so that streams can
// pass it on in one piece; a frame too long for that does not.
func TestQueuedFrameIsPrefixed(t *testing.T) {
	for n, want := range map[int]bool{1: true, 1500: true, 65535: true, 65536: false} {
		l := bustest.NewLab(t, directed)
		s := &bustest.Sink{}
		c := l.Join(t, s)
		from := l.Join(t, &bustest.Recorder{})
		f := append([]byte{255}, make([]byte, n-1)...)
		bustest.Send(from, f)
		c.Lock()
		form, ok := c.PeekLocked(0).Prefixed()
		data := c.PeekLocked(0).Data()
		if ok != want || ok && !bytes.Equal(form, bustest.Stream(f)) || !bytes.Equal(data, f) {
			t.Errorf("%d bytes: prefixed %v, want %v; or the bytes are others", n, ok, want)
		}
		c.Unlock()
	}
}

// A frame that was received can be sent on, on another network, without a
// copy.
func TestSendOn(t *testing.T) {
	l := bustest.NewLab(t, directed)
	wantKind(t, "other", create(l.Bus, "other"), 0)
	other := l.Bus.Network("other")
	here := &bustest.Sink{}
	c := l.Join(t, here)
	out, err := other.Join(&bustest.Recorder{}, both)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	last := &bustest.Sink{}
	to, err := other.Join(last, both)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Close)
	from := l.Join(t, &bustest.Recorder{})
	fill(from, 0, 3, 3)
	used := l.Bus.Memory.Waiting()
	var b bus.Batch
	c.Lock()
	for c.QueuedLocked() > 0 {
		b.Frames = append(b.Frames, c.PopLocked())
	}
	c.Unlock()
	if n := out.Send(&b); n != 3 {
		t.Errorf("%d of 3 frames went", n)
	}
	for i := range b.Frames {
		b.Frames[i].Release()
	}
	b.Reset()
	if got := l.Bus.Memory.Waiting(); got != used {
		t.Errorf("%d bytes were used, %d after sending on", used, got)
	}
	if got := numbers(last.TakeAll()); got != "[0 1 2]" {
		t.Errorf("received %s", got)
	}
	if got := l.Bus.Memory.Waiting(); got != 0 {
		t.Errorf("%d bytes are used at the end", got)
	}
}
