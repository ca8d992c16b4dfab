package bus_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/bus/vnet"
)

// Tags of the frames of these tests: an outer one of IEEE 802.1ad, and inner
// ones of 802.1Q.
const (
	outerTag = 0x88a8_2064
	innerTag = 0x8100_6065
	newTag   = 0x8100_4fff
)

// What a router may do to a frame.
var (
	toHost   = &frame.Rewrite{Dst: [6]byte{2, 0, 0, 0, 7, 1}, Src: [6]byte{2, 0, 0, 0, 8, 1}, HopLimit: true}
	sameHops = &frame.Rewrite{Dst: [6]byte{1, 0, 0x5e, 0, 0, 2}, Src: [6]byte{2, 0, 0, 0, 8, 2}}
)

// edits are all that a policy may ask for, of frames with two tags.
var edits = []frame.Edit{
	{}, {Strip: 1}, {Strip: 2}, {Push: newTag}, {Strip: 1, Push: newTag}, {Strip: 2, Push: newTag},
	{Rewrite: toHost}, {Rewrite: sameHops}, {Strip: 1, Push: newTag, Rewrite: toHost}, {Strip: 2, Rewrite: toHost},
}

// retagged is what an edit makes of a frame, written plainly.
func retagged(data []byte, e frame.Edit) []byte {
	if len(data) < 12+4*int(e.Strip) {
		return data
	}
	out := bytes.Clone(data[:12])
	if e.Push != 0 {
		out = binary.BigEndian.AppendUint32(out, e.Push)
	}
	out = append(out, data[12+4*int(e.Strip):]...)
	if e.Rewrite != nil {
		rewrite(out, e.Rewrite)
	}
	return out
}

// rewrite does the same for a Rewrite, in place. The checksum of IPv4 changes
// as in Linux's ip_decrease_ttl.
func rewrite(frame []byte, r *frame.Rewrite) {
	copy(frame, r.Dst[:])
	copy(frame[6:], r.Src[:])
	at := 12 + 4*min(7, tagsOf(frame))
	if !r.HopLimit || len(frame) < at+2+20 {
		return
	}
	switch ip := frame[at+2:]; {
	case string(frame[at:at+2]) == "\x08\x00" && ip[0] >= 0x45 && ip[0] <= 0x4f && len(ip) >= int(ip[0]-0x40)*4 && ip[8] > 0:
		ip[8]--
		sum := int(binary.BigEndian.Uint16(ip[10:])) + 0x100
		if sum >= 0xffff {
			sum++
		}
		binary.BigEndian.PutUint16(ip[10:], uint16(sum))
	case string(frame[at:at+2]) == "\x86\xdd" && ip[0]>>4 == 6 && len(ip) >= 40 && ip[7] > 0:
		ip[7]--
	}
}

// retaggedRaw is that of a frame with a virtio-net header in front, whose
// offsets move with the bytes they point to.
func retaggedRaw(raw []byte, e frame.Edit) []byte {
	h, data := vnet.Parse(raw), raw[vnet.HeaderLen:]
	out := retagged(data, e)
	by := len(out) - len(data)
	if h.HdrLen != 0 {
		h.HdrLen = uint16(max(int(h.HdrLen)+by, 14)) // no tap takes less than an ethernet header
	}
	if h.Flags&vnet.NeedsCsum != 0 {
		h.CsumStart = uint16(int(h.CsumStart) + by)
	}
	return bustest.WithHeader(h, out)
}

// listener is a receiver at its port, and how it wants and gets the frames.
type listener struct {
	*bustest.Taper
	conn    *bus.Conn
	offload bool
	edit    frame.Edit
	takes   int // frames at once
}

func (l listener) String() string {
	return fmt.Sprintf("offload %v, edit %v, takes %d at once", l.offload, l.edit, l.takes)
}

// audience joins a receiver of each kind, and makes all frames go to all.
func audience(t testing.TB, s *script) (*bustest.Lab, []listener) {
	var all []listener
	s.forward = func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
		for i := range all {
			out.AddEdited(all[i].conn.Port(), all[i].edit)
		}
	}
	l := s.lab(t)
	for _, offload := range []bool{true, false} {
		for _, edit := range edits {
			for _, takes := range []int{-1, 0, 3} {
				one := listener{bustest.NewTaper(takes), nil, offload, edit, takes}
				one.conn = l.JoinAs(t, one, bus.JoinOptions{Recv: true, Offload: offload})
				all = append(all, one)
			}
		}
	}
	return l, all
}

// mixedBatch has frames of all kinds, each with two tags: to be cut, with an
// unfinished checksum, and complete.
func mixedBatch() (raws [][]byte) {
	tags := []uint32{outerTag, innerTag}
	for i, s := range []bustest.Super{
		{Size: 1000, Payload: 4500},
		{Payload: 800},
		{Size: 100, Payload: 101, V6: true},
		{Size: 512, Payload: 2048, UDP: true},
		{Size: 9000, Payload: 33, UDP: true, V6: true}, // it fits one segment
		{Size: 1, Payload: 40},
		{Payload: 3, UDP: true},
		{Size: 1460, Payload: 60000},
	} {
		s.Tags = tags
		s.To = byte(i)
		raws = append(raws, s.Raw())
		complete := bustest.Complete(s.Raw())[0]
		raws = append(raws, bustest.WithHeader(vnet.Header{Flags: vnet.DataValid}, complete))
	}
	return raws
}

// wantRaws checks that a listener got all of the frames, in order, as it wants
// them.
func (l listener) wantRaws(t *testing.T, raws [][]byte, complete bool) {
	t.Helper()
	var want []bustest.Shape
	for _, raw := range raws {
		raw = retaggedRaw(raw, l.edit)
		if h := vnet.Parse(raw); !h.Plain() && (complete || !l.offload) {
			for _, frame := range bustest.Complete(raw) {
				want = append(want, bustest.Shape{Data: frame})
			}
			continue
		}
		want = append(want, bustest.Shape{Data: raw[vnet.HeaderLen:], Header: raw[:vnet.HeaderLen]})
	}
	got := l.Shapes()
	if len(got) != len(want) {
		t.Errorf("%v: %d frames came, want %d", l, len(got), len(want))
		return
	}
	for i := range want {
		if !bytes.Equal(got[i].Data, want[i].Data) || !bytes.Equal(got[i].Header, want[i].Header) {
			n := min(len(got[i].Data), len(want[i].Data), 80)
			t.Errorf("%v: frame %d of %d bytes is\n% x | % x, want %d bytes,\n% x | % x", l, i, len(got[i].Data),
				got[i].Header, got[i].Data[:n], len(want[i].Data), want[i].Header, want[i].Data[:n])
			return
		}
	}
}

// Each receiver gets what it can take, with the tags that the policy wants:
// super-frames as they are, or the frames they stand for.
func TestForms(t *testing.T) {
	var s script
	l, all := audience(t, &s)
	from := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
	raws := mixedBatch()
	for round := range 3 {
		if n := bustest.SendVnet(from, raws...); n != len(raws) {
			t.Fatalf("%d of %d frames went", n, len(raws))
		}
		if l.Bus.Memory.Waiting() == 0 {
			t.Error("frames are queued, and no memory is charged")
		}
		for _, one := range all {
			one.Take(-1)
		}
		if used := l.Bus.Memory.Waiting(); used != 0 {
			t.Errorf("round %d: %d bytes are used when all was received", round, used)
		}
	}
	for _, one := range all {
		one.wantRaws(t, append(append(append([][]byte(nil), raws...), raws...), raws...), false)
		if one.takes >= 0 && len(one.Shapes()) > 0 && one.Queued() != 0 {
			t.Errorf("%v: %d frames still wait", one, one.Queued())
		}
	}
	stats := l.Net.Stats()
	if err := bustest.CheckBalance(stats); err != nil || stats.Frames != uint64(3*len(raws)) || stats.Dropped() != 0 {
		t.Errorf("%d frames were sent: %+v, %v", 3*len(raws), stats, err)
	}
	sum := 0
	for _, raw := range raws {
		sum += len(raw) - vnet.HeaderLen
	}
	if stats.Bytes != uint64(3*sum) {
		t.Errorf("%d bytes were sent, without their headers, counted %d", 3*sum, stats.Bytes)
	}
	if err := received(l, all); err != nil {
		t.Error(err)
	}
}

// received checks that what the ports counted is what their receivers saw.
func received(l *bustest.Lab, all []listener) error {
	for _, one := range all {
		frames, bytes := uint64(0), uint64(0)
		for _, f := range one.Frames() {
			frames, bytes = frames+1, bytes+uint64(len(f))
		}
		got := one.conn.Port().Stats()
		if got.Received != frames || got.ReceivedBytes != bytes || got.Queued != 0 || got.QueuedBytes != 0 {
			return fmt.Errorf("%v: it saw %d frames of %d bytes, counted %+v", one, frames, bytes, got)
		}
	}
	return nil
}

// Frames of streams and single writes get other tags as well, and the length
// in front of the frame is that of the new one.
func TestFormsOfStreams(t *testing.T) {
	var frames [][]byte
	for i := range 9 {
		s := bustest.Super{To: byte(i), Payload: 1 + 300*i, Tags: []uint32{outerTag, innerTag}}
		frames = append(frames, bustest.Complete(s.Raw())[0])
	}
	for _, way := range []string{"stream", "alone"} {
		var s script
		l, all := audience(t, &s)
		from := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
		if way == "stream" {
			bustest.SendBatch(from, frames...)
		} else {
			for _, f := range frames {
				bustest.Send(from, f)
			}
		}
		for _, one := range all {
			one.Take(-1)
			got := one.Shapes()
			if len(got) != len(frames) {
				t.Errorf("%s, %v: %d frames came", way, one, len(got))
				continue
			}
			for i, f := range frames {
				want := retagged(f, one.edit)
				if !bytes.Equal(got[i].Data, want) || got[i].Header != nil {
					t.Errorf("%s, %v: frame %d is\n% x, want\n% x", way, one, i, got[i].Data[:20], want[:20])
				}
				switch length := got[i].Length; {
				case length == nil && way == "stream":
					t.Errorf("%s, %v: frame %d has lost its length", way, one, i)
				case length != nil && int(binary.BigEndian.Uint16(length)) != len(want):
					t.Errorf("%s, %v: frame %d of %d bytes has the length % x", way, one, i, len(want), length)
				}
			}
		}
		if err := received(l, all); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if used := l.Bus.Memory.Waiting(); used != 0 {
			t.Errorf("%s: %d bytes are used when all was received", way, used)
		}
	}
}

// A tag may make a frame longer than a 2-byte length can tell.
func TestPushOnTheLongest(t *testing.T) {
	ear := bustest.NewTaper(-1)
	var port *bus.Port
	s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
		out.AddEdited(port, frame.Edit{Push: newTag})
	}}
	l := s.lab(t)
	port = l.JoinAs(t, ear, bus.JoinOptions{Recv: true}).Port()
	from := l.Join(t, &bustest.Sink{})
	for _, n := range []int{frame.MaxPrefixed - 4, frame.MaxPrefixed - 3, frame.MaxPrefixed} {
		data := append(bytes.Repeat([]byte{1}, n-1), 2)
		bustest.SendBatch(from, data)
		shapes := ear.Shapes()
		got := shapes[len(shapes)-1]
		if want := retagged(data, frame.Edit{Push: newTag}); !bytes.Equal(got.Data, want) {
			t.Errorf("%d bytes: %d bytes came, want %d", n, len(got.Data), len(want))
		}
		if got.Length != nil && int(binary.BigEndian.Uint16(got.Length)) != len(got.Data) {
			t.Errorf("%d bytes: a frame of %d bytes has the length %d in front", n, len(got.Data), binary.BigEndian.Uint16(got.Length))
		}
	}
}

// Frames in which the tags to be stripped cannot be pass as they are.
func TestTooShortToStrip(t *testing.T) {
	for _, edit := range edits[1:] {
		ear := bustest.NewTaper(1)
		var port *bus.Port
		s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) { out.AddEdited(port, edit) }}
		l := s.lab(t)
		port = l.JoinAs(t, ear, bus.JoinOptions{Recv: true}).Port()
		from := l.Join(t, &bustest.Sink{})
		var want, batch [][]byte
		for n := 1; n < 30; n++ {
			data := bytes.Repeat([]byte{byte(n)}, n)
			bustest.Send(from, data)
			batch = append(batch, data)
			want = append(want, retagged(data, edit))
		}
		bustest.SendBatch(from, batch...)
		ear.Take(-1)
		want = append(want, want...)
		if got := ear.Frames(); len(got) != len(want) {
			t.Errorf("edit %v: %d frames came, want %d", edit, len(got), len(want))
		} else {
			for i := range want {
				if !bytes.Equal(got[i], want[i]) {
					t.Errorf("edit %v: a frame of %d bytes came as % x, want % x", edit, 1+i%29, got[i], want[i])
				}
			}
		}
	}
}

// The frames of one batch go different ways in different forms.
func TestRunsOfForms(t *testing.T) {
	const receivers = 4
	var ports [receivers]*bus.Port
	// What becomes of a frame at a receiver, by the frame's first byte.
	plan := func(to byte, k int) (edit frame.Edit, gets bool) {
		return edits[(int(to)+k)%len(edits)], int(to)%7 != k && int(to)%5 != 0
	}
	s := script{forward: func(_ *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
		to := f.Data()[0]
		if to == 0xff {
			out.Flood()
			return
		}
		for k, p := range ports {
			if edit, gets := plan(to, k); gets {
				out.AddEdited(p, edit)
			}
		}
	}}
	l := s.lab(t)
	var all [receivers]listener
	for k := range all {
		all[k] = listener{Taper: bustest.NewTaper(5 * k), offload: k%2 == 0}
		all[k].conn = l.JoinAs(t, all[k], bus.JoinOptions{Recv: true, Offload: all[k].offload})
		ports[k] = all[k].conn.Port()
	}
	from := l.Join(t, &bustest.Sink{})
	var raws [][]byte
	for i := range 60 {
		s := bustest.Super{To: byte(i / 3 % 16), Size: 100 * (i % 3), Payload: 50 + 10*i, Tags: []uint32{outerTag, innerTag}}
		if i%11 == 0 {
			s.To = 0xff
		}
		raws = append(raws, s.Raw())
	}
	bustest.SendVnet(from, raws...)
	nobody := uint64(0)
	for _, raw := range raws {
		if to := raw[vnet.HeaderLen]; to != 0xff && to%5 == 0 {
			nobody++
		}
	}
	for k, one := range all {
		one.Take(-1)
		var want [][]byte
		for _, raw := range raws {
			to := raw[vnet.HeaderLen]
			edit, gets := plan(to, k)
			switch {
			case to == 0xff:
				want = append(want, raw)
			case gets:
				want = append(want, retaggedRaw(raw, edit))
			}
		}
		one.wantRaws(t, want, false)
	}
	if got := l.Net.Stats().Nobody; got != nobody {
		t.Errorf("%d frames were for nobody, counted %d", nobody, got)
	}
}

// A batch of frames that need no completing is not copied for anybody.
func TestCompleteFramesStay(t *testing.T) {
	lent := bustest.WithHeader(vnet.Header{}, bustest.Complete(bustest.Super{Payload: 100}.Raw())[0])
	l := bustest.NewLab(t, hub)
	var seen []*byte
	for range 2 {
		l.JoinAs(t, &peeker{see: func(f *frame.Frame) { seen = append(seen, &f.Data()[0]) }}, bus.JoinOptions{Recv: true})
	}
	from := l.Join(t, &bustest.Sink{})
	var b bus.Batch
	b.AddVnet(lent)
	from.Send(&b)
	for _, at := range seen {
		if at != &lent[vnet.HeaderLen] {
			t.Error("a complete frame was copied")
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d of 2 receivers got it", len(seen))
	}
}

// peeker is an endpoint that looks at frames where they lie.
type peeker struct {
	bustest.Recorder
	see func(f *frame.Frame)
}

func (p *peeker) Emit(b *frame.Batch, i, j int, _ uint64) {
	for k := i; k < j; k++ {
		p.see(&b.Frames[k])
	}
}
