package bus_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
)

const vni = 0xabcdef

// allForms are the forms, and the head of a complete frame of 60 bytes in
// each, written plainly.
var allForms = map[frame.Form][]byte{
	frame.Bare:    {},
	frame.Length2: {0, 60},
	frame.Length4: {0, 0, 0, 60},
	frame.Hops4:   {1, 0, 0, 60},
	frame.VXLAN:   {8, 0, 0, 0, 0xab, 0xcd, 0xef, 0},
	frame.Vnet10:  make([]byte, 10),
	frame.Vnet12:  binary.NativeEndian.AppendUint16(make([]byte, 10), 1),
}

// isVnet tells of which forms the head is, or begins with, a virtio-net header.
func isVnet(form frame.Form) bool { return form == frame.Vnet10 || form == frame.Vnet12 }

// headOf is the head of such a frame that came in a form, for one that goes in another.
func headOf(from, to frame.Form) []byte {
	head := bytes.Clone(allForms[to])
	if from == frame.Hops4 && to == frame.Hops4 {
		head[0]++ // one cable more
	}
	return head
}

// as is the form in which a frame that came in a form passes as it lies: in front of one
// of Hops4 the next cable wants another head.
func as(form frame.Form) frame.Form {
	if form == frame.Hops4 {
		return frame.Bare
	}
	return form
}

// lies checks that a frame lies in a form, in that and bare only.
func lies(t *testing.T, f *frame.Frame, form frame.Form, head, data []byte) {
	t.Helper()
	for other := range allForms {
		raw, ok := f.In(other)
		switch {
		case ok != (other == form || other == frame.Bare):
			t.Errorf("a frame in form %#x lies in form %#x: %v", form, other, ok)
		case ok && other == form && !bytes.Equal(raw, slices.Concat(head, data)), ok && other != form && !bytes.Equal(raw, data):
			t.Errorf("form %#x is % x, want % x and % x", other, raw, head, data)
		}
	}
	if !bytes.Equal(f.Data(), data) || f.Len() != len(data) {
		t.Errorf("the frame in form %#x is % x of %d bytes, want % x", form, f.Data(), f.Len(), data)
	}
}

// A copy of a frame in any form, made from one in any form, is the frame with
// the head of the form in front.
func TestCopyIn(t *testing.T) {
	data := bytes.Repeat([]byte{7}, 60)
	for from, fromHead := range allForms {
		if from.HeadLen() != len(fromHead) {
			t.Errorf("form %#x has a head of %d bytes, want %d", from, from.HeadLen(), len(fromHead))
		}
		for to := range allForms {
			head := headOf(from, to)
			m := frame.NewMemory(1 << 20)
			var b bus.Batch
			b.AddIn(from, slices.Concat(fromHead, data))
			lies(t, &b.Frames[0], as(from), allForms[as(from)], data)
			f, ok := b.Frames[0].CopyIn(m, to, vni)
			if !ok {
				t.Fatalf("no copy in form %#x", to)
			}
			b.Reset()
			lies(t, &f, to, head, data)
			if f.Release(); m.Used() != 0 {
				t.Errorf("%d bytes are left", m.Used())
			}
		}
	}
}

// What a frame cannot say in a form it does not get.
func TestPutHead(t *testing.T) {
	super := bustest.Super{Size: 100, Payload: 300}.Raw()
	unfinished := bustest.Super{Payload: 300}.Raw()
	verified := bustest.WithHeader(vnet.Header{Flags: vnet.DataValid}, make([]byte, 60))
	length := func(form frame.Form, n int) []byte {
		if form == frame.Length2 {
			return binary.BigEndian.AppendUint16(nil, uint16(n))
		}
		return binary.BigEndian.AppendUint32(nil, uint32(n))
	}
	with := func(raw []byte, more ...byte) []byte { return append(bytes.Clone(raw[:vnet.HeaderLen]), more...) }
	one := binary.NativeEndian.AppendUint16(nil, 1)
	for what, c := range map[string]struct {
		from frame.Form
		raw  []byte
		to   frame.Form
		want []byte // nil: it cannot be
	}{
		"the longest of 2 bytes":         {frame.Bare, make([]byte, 65535), frame.Length2, length(frame.Length2, 65535)},
		"too long for 2 bytes":           {frame.Bare, make([]byte, 65536), frame.Length2, nil},
		"not for 4":                      {frame.Bare, make([]byte, 65536), frame.Length4, length(frame.Length4, 65536)},
		"nor for 3":                      {frame.Bare, make([]byte, 65536), frame.Hops4, []byte{1, 1, 0, 0}},
		"from a cable to the last one":   {frame.Hops4, []byte{frame.MaxHops - 1, 0, 0, 1, 'x'}, frame.Hops4, []byte{frame.MaxHops, 0, 0, 1}},
		"from the last cable":            {frame.Hops4, []byte{frame.MaxHops, 0, 0, 1, 'x'}, frame.Hops4, nil},
		"from the last one to a socket":  {frame.Hops4, []byte{frame.MaxHops, 0, 0, 1, 'x'}, frame.Length4, []byte{0, 0, 0, 1}},
		"nor for VXLAN":                  {frame.Bare, make([]byte, 65536), frame.VXLAN, allForms[frame.VXLAN]},
		"a super-frame bare":             {frame.Vnet10, super, frame.Bare, nil},
		"a super-frame in a stream":      {frame.Vnet10, super, frame.Length4, nil},
		"an unfinished one, too":         {frame.Vnet10, unfinished, frame.Length2, nil},
		"a super-frame in VXLAN":         {frame.Vnet10, super, frame.VXLAN, nil},
		"a super-frame for vhost-user":   {frame.Vnet10, super, frame.Vnet12, with(super, one...)},
		"a super-frame from vhost-user":  {frame.Vnet12, slices.Insert(bytes.Clone(super), vnet.HeaderLen, 0, 0), frame.Vnet10, with(super)},
		"a verified one for vhost-user":  {frame.Vnet10, verified, frame.Vnet12, with(verified, one...)},
		"a verified one in a stream":     {frame.Vnet10, verified, frame.Length2, length(frame.Length2, 60)},
		"another network of VXLAN":       {frame.VXLAN, append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, 'x'), frame.VXLAN, allForms[frame.VXLAN]},
		"a frame of a stream for a tap":  {frame.Length4, []byte{0, 0, 0, 1, 'x'}, frame.Vnet10, make([]byte, 10)},
		"an unfinished one, from 12, in": {frame.Vnet12, slices.Insert(bytes.Clone(unfinished), vnet.HeaderLen, 0, 0), frame.Length4, nil},
	} {
		var b bus.Batch
		b.AddIn(c.from, c.raw)
		got := bytes.Repeat([]byte{0xee}, frame.Headroom)
		want := append(bytes.Clone(c.want), got[len(c.want):]...)
		if ok := b.Frames[0].PutHead(got, c.to, vni); ok != (c.want != nil) || !bytes.Equal(got, want) {
			t.Errorf("%s: % x, %v, want % x", what, got[:16], ok, want[:16])
		}
		m := frame.NewMemory(1 << 20)
		if f, ok := b.Frames[0].CopyIn(m, c.to, vni); ok != (c.want != nil) {
			t.Errorf("%s: copied: %v", what, ok)
		} else if f.Release(); m.Used() != 0 {
			t.Errorf("%s: %d bytes are left", what, m.Used())
		}
	}
	small := frame.NewFrame(make([]byte, 60))
	if _, ok := small.CopyIn(frame.NewMemory(100), frame.Length2, 0); ok {
		t.Error("a copy passes the cap")
	}
}

func TestParseVXLAN(t *testing.T) {
	for what, c := range map[string]struct {
		in  []byte
		vni uint32
		ok  bool
	}{
		"nothing":                     {nil, 0, false},
		"a byte too short":            {[]byte{8, 0, 0, 0, 1, 2, 3}, 0, false},
		"no identifier":               {[]byte{0, 0, 0, 0, 1, 2, 3, 0}, 0, false},
		"the flags beside it":         {[]byte{0xf7, 0, 0, 0, 1, 2, 3, 0}, 0, false},
		"one":                         {[]byte{8, 0, 0, 0, 1, 2, 3, 0}, 0x010203, true},
		"the highest, and a frame":    {[]byte{8, 0, 0, 0, 0xff, 0xff, 0xff, 0, 'x'}, 0xffffff, true},
		"reserved bits are not heard": {[]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff}, 0, true},
	} {
		if vni, ok := frame.ParseVXLAN(c.in); vni != c.vni || ok != c.ok {
			t.Errorf("%s: %#x, %v, want %#x, %v", what, vni, ok, c.vni, c.ok)
		}
	}
}

// FuzzParseVXLAN reads any bytes, and writes what it read.
func FuzzParseVXLAN(f *testing.F) {
	f.Add([]byte{8, 0, 0, 0, 1, 2, 3, 0})
	f.Add([]byte{0xff, 0, 0, 0, 1, 2})
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		vni, ok := frame.ParseVXLAN(in)
		if !bytes.Equal(in, before) || ok != (len(in) >= 8 && in[0]&8 != 0) || vni > 0xffffff {
			t.Fatalf("% x: %#x, %v", before, vni, ok)
		}
		if !ok {
			return
		}
		var b bus.Batch
		b.AddIn(frame.VXLAN, in)
		head := make([]byte, 8)
		b.Frames[0].PutHead(head, frame.VXLAN, vni)
		if again, ok := frame.ParseVXLAN(head); !ok || again != vni || !bytes.Equal(head[4:7], in[4:7]) {
			t.Errorf("% x: %#x is written as % x", in, vni, head)
		}
	})
}

// Sockets and devices of all forms on one network: each gets what any sends,
// in its own form, whether it takes the frames at once or they queue.
func TestDrivers(t *testing.T) {
	for from := range allForms {
		t.Run(fmt.Sprintf("%#x", from), func(t *testing.T) {
			l := bustest.NewLab(t, hub)
			sender := &bustest.Driver{Form: from, VNI: vni}
			l.JoinAs(t, sender, bus.JoinOptions{Send: true})
			var drivers []*bustest.Driver
			for to := range allForms {
				d := &bustest.Driver{Form: to, VNI: vni}
				drivers = append(drivers, d)
				l.JoinAs(t, d, bus.JoinOptions{Recv: true, Offload: isVnet(to)})
			}
			// lain checks that what queues keeps its form.
			queues := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Recv: true, Offload: true})
			lain := func(data []byte) {
				queues.Lock()
				f := queues.PopLocked()
				queues.Unlock()
				defer f.Release()
				if _, ok := f.In(as(from)); !ok || !bytes.Equal(f.Data(), data) {
					t.Errorf("a frame that came in form %#x has lost it, or is another: % x", from, f.Data())
				}
			}

			var want, supers [][]byte
			for n := 60; n < 64; n++ {
				data := bytes.Repeat([]byte{byte(n)}, n)
				want = append(want, data)
				f := frame.NewFrame(data)
				head := make([]byte, from.HeadLen())
				f.PutHead(head, from, vni)
				if err := sender.Receive(append(head, data...), 1500); err != nil {
					t.Fatal(err)
				}
				lain(data)
			}
			if isVnet(from) {
				raw := bustest.Super{Size: 100, Payload: 250}.Raw()
				supers = [][]byte{raw[vnet.HeaderLen:]}
				if err := sender.Receive(slices.Insert(bytes.Clone(raw), vnet.HeaderLen, make([]byte, from.HeadLen()-vnet.HeaderLen)...), 1500); err != nil {
					t.Fatal(err)
				}
				lain(supers[0])
				want = append(want, bustest.Complete(raw)...)
			}
			for _, d := range drivers {
				frames := want
				if isVnet(d.Form) {
					frames = append(want[:4:4], supers...)
				}
				got := d.Written()
				if len(got) != len(frames) {
					t.Fatalf("form %#x: %d frames came, want %d", d.Form, len(got), len(frames))
				}
				for i, data := range frames {
					head := headOf(from, d.Form)
					switch {
					case d.Form == frame.Length2 || d.Form == frame.Length4 || d.Form == frame.Hops4:
						head[len(head)-2], head[len(head)-1] = byte(len(data)>>8), byte(len(data))
					case i >= 4 && isVnet(d.Form):
						h, _ := bustest.Super{Size: 100, Payload: 250}.Build()
						h.Put(head)
					}
					if !bytes.Equal(got[i], slices.Concat(head, data)) {
						t.Errorf("form %#x: frame %d is % x, want % x and % x", d.Form, i, got[i], head, data)
					}
				}
			}
		})
	}
}

// What comes in a form that the receiver wants passes from where it lies.
func TestSameFormIsNotCopied(t *testing.T) {
	for form, head := range allForms {
		lent := slices.Concat(head, make([]byte, 60))
		seen := false
		l := bustest.NewLab(t, hub)
		l.JoinAs(t, &peeker{see: func(f *frame.Frame) {
			raw, ok := f.In(as(form))
			at := len(lent) - len(raw)
			seen = ok && &raw[0] == &lent[at] && (at == 0 || as(form) == frame.Bare)
		}}, bus.JoinOptions{Recv: true, Offload: true})
		from := l.Join(t, &bustest.Sink{})
		var b bus.Batch
		b.AddIn(form, lent)
		from.Send(&b)
		if !seen {
			t.Errorf("form %#x: it does not lie where the sender has it", form)
		}
	}
}

// A driver takes no frames that cannot be.
func TestDriverRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		form frame.Form
		in   []byte
	}{
		"longer than the mtu":         {frame.Length4, []byte{0, 0, 5, 221}},
		"of 4 GiB":                    {frame.Length4, []byte{0xff, 0xff, 0xff, 0xff, 'x'}},
		"of another network":          {frame.VXLAN, []byte{8, 0, 0, 0, 0, 0, 1, 0, 'x'}},
		"a header without a frame":    {frame.VXLAN, allForms[frame.VXLAN]},
		"half a header":               {frame.Vnet12, make([]byte, 11)},
		"a header that lies":          {frame.Vnet12, append(bytes.Repeat([]byte{0xff}, 12), make([]byte, 60)...)},
		"a header and a short frame":  {frame.Vnet10, make([]byte, 23)},
		"nothing, where nothing lies": {frame.Bare, nil},
	} {
		l := bustest.NewLab(t, hub)
		d, ear := &bustest.Driver{Form: c.form, VNI: vni}, &bustest.Recorder{}
		l.Join(t, d)
		l.Join(t, ear)
		if err := d.Receive(c.in, 1500); err == nil || len(ear.Frames()) != 0 {
			t.Errorf("%s: %v, and %d frames came", what, err, len(ear.Frames()))
		}
	}
}
