package bus_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/bus/vnet"
)

// FuzzRetag gives any frame any other tags, whether they are there or not, and
// rewrites it whether it is IP or not, on all ways that frames without a virtio-net header come.
func FuzzRetag(f *testing.F) {
	complete := bustest.Complete(bustest.Super{Payload: 20, Tags: []uint32{outerTag, innerTag}}.Raw())[0]
	for strip := range uint8(3) {
		f.Add(complete, strip, uint32(0), true)
		f.Add(complete, strip, uint32(newTag), false)
		f.Add(complete, strip, uint32(newTag), true)
		f.Add(complete[:11], strip, uint32(newTag), true)
		f.Add(complete[:19], strip, uint32(1), true)
		f.Add(complete[:40], strip, uint32(0), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, strip uint8, push uint32, route bool) {
		if len(data) == 0 || len(data) > frame.MaxPrefixed {
			return
		}
		edit := frame.Edit{Strip: strip % 3, Push: push}
		if route {
			edit.Rewrite = toHost
		}
		var ports []*bus.Port
		s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
			for _, p := range ports {
				out.AddEdited(p, edit)
			}
		}}
		l := s.lab(t)
		takes, queues := bustest.NewTaper(-1), bustest.NewTaper(0)
		for _, ear := range []*bustest.Taper{takes, queues} {
			ports = append(ports, l.JoinAs(t, ear, bus.JoinOptions{Recv: true}).Port())
		}
		from := l.Join(t, &bustest.Sink{})
		bustest.Send(from, data)
		bustest.SendBatch(from, data)
		queues.Take(-1)
		want := retagged(data, edit)
		for _, ear := range []*bustest.Taper{takes, queues} {
			got := ear.Shapes()
			if len(got) != 2 {
				t.Fatalf("%d of 2 frames came", len(got))
			}
			for i, shape := range got {
				if !bytes.Equal(shape.Data, want) || shape.Header != nil {
					t.Errorf("%x with edit %+v is %x, want %x", data, edit, shape.Data, want)
				}
				if shape.Length != nil && int(binary.BigEndian.Uint16(shape.Length)) != len(want) {
					t.Errorf("frame %d has %d bytes and the length % x", i, len(want), shape.Length)
				}
			}
		}
	})
}

// tagsOf counts the VLAN tags of a frame.
func tagsOf(frame []byte) (n int) {
	for at := 12; at+4 <= len(frame); at += 4 {
		if typ := binary.BigEndian.Uint16(frame[at:]); typ != 0x8100 && typ != 0x88a8 {
			break
		}
		n++
	}
	return n
}

// FuzzForm sends any frame with any header that is believed, to receivers
// that want it whole and cut, with other tags and routed.
func FuzzForm(f *testing.F) {
	for _, raw := range mixedBatch() {
		raw = raw[:min(len(raw), 4000)]
		for strip := range uint8(3) {
			f.Add(raw, strip, uint16(0x2001))
			f.Add(raw, strip, uint16(0))
			f.Add(raw, strip|0x80, uint16(0x2001))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, strip uint8, tci uint16) {
		if len(raw) < vnet.HeaderLen {
			return
		}
		h, data := vnet.Parse(raw), raw[vnet.HeaderLen:]
		if vnet.Check(h, data) != nil {
			return
		}
		edit := frame.Edit{Strip: uint8(min(int(strip%3), tagsOf(data)))}
		if tci != 0 {
			edit.Push = []uint32{0x8100, 0x88a8}[tci%2]<<16 | uint32(tci)
		}
		if strip&0x80 != 0 {
			edit.Rewrite = toHost
		}
		var all []listener
		s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
			for _, one := range all {
				out.AddEdited(one.conn.Port(), one.edit)
			}
		}}
		l := s.lab(t)
		set(t, l, func(s *bus.Settings) { s.Queue = bus.MaxQueue })
		for i := range 8 {
			one := listener{Taper: bustest.NewTaper(-1 + i&1), offload: i&2 != 0, takes: -1 + i&1}
			if i&4 != 0 {
				one.edit = edit
			}
			one.conn = l.JoinAs(t, one, bus.JoinOptions{Recv: true, Offload: one.offload})
			all = append(all, one)
		}
		from := l.Join(t, &bustest.Sink{})
		bustest.SendVnet(from, raw, raw)
		// To edit a super-frame is to edit each frame it stands for.
		if !h.Plain() {
			cut := bustest.Complete(raw)
			for i := range cut {
				cut[i] = retagged(cut[i], edit)
			}
			if of := bustest.Complete(retaggedRaw(raw, edit)); !slices.EqualFunc(of, cut, bytes.Equal) {
				t.Errorf("edit %+v: the frames of it edited are\n% x, the frames edited\n% x", edit, of, cut)
			}
		}
		for _, one := range all {
			one.Take(-1)
			one.wantRaws(t, [][]byte{raw, raw}, false)
			for _, shape := range one.Shapes() {
				if shape.Header == nil {
					continue
				}
				if h := vnet.Parse(shape.Header); !h.Plain() && vnet.Check(h, shape.Data) != nil {
					t.Errorf("%v: after the edit the header is not to be believed any more: %v", one, vnet.Check(h, shape.Data))
				}
			}
		}
	})
}

// FuzzBatch mixes frames, receivers, edits and settings, as a sequence of
// bytes says.
func FuzzBatch(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		seed := make([]byte, 300)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed []byte) {
		next := func(n int) int {
			if len(seed) == 0 {
				return 0
			}
			b := seed[0]
			seed = seed[1:]
			return int(b) % n
		}
		var all []listener
		var plan [][]frame.Edit // by the frame's first byte and listener; 3 tags to strip: it gets none
		flooded := func(data byte) bool { return data%16 == 7 }
		s := script{forward: func(_ *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
			if n := f.Data()[0]; flooded(n) {
				out.Flood()
			} else {
				for k, edit := range plan[n] {
					if edit.Strip < 3 {
						out.AddEdited(all[k].conn.Port(), edit)
					}
				}
			}
		}}
		l := s.lab(t)
		block := next(3) == 0
		set(t, l, func(s *bus.Settings) {
			s.Queue = bus.MaxQueue
			if block {
				s.Queue, s.Overflow = 1+next(20), bus.BlockSender
			}
		})
		limits := map[*bustest.Taper]int{}
		for range 1 + next(5) {
			one := listener{Taper: bustest.NewTaper(-1 + next(4)), offload: next(2) == 0}
			limits[one.Taper] = []int{0, 0, 1518, 300}[next(4)]
			one.conn = l.JoinAs(t, one, bus.JoinOptions{Recv: true, Offload: one.offload, MaxLen: limits[one.Taper]})
			all = append(all, one)
		}
		from := l.Join(t, &bustest.Sink{})
		var sent []*parked
		var raws [][]byte
		for range 1 + next(4) {
			var batch [][]byte
			for range 1 + next(12) {
				data := bustest.Super{
					To: byte(len(plan)), V6: next(2) == 0, UDP: next(2) == 0, Tags: []uint32{outerTag, innerTag}[:next(3)],
					Payload: 1 + 37*next(100), Size: []int{0, 100, 700, 1448}[next(4)],
				}
				raw := data.Raw()
				if vnet.Check(vnet.Parse(raw), raw[vnet.HeaderLen:]) != nil || next(4) == 0 {
					raw = bustest.WithHeader(vnet.Header{}, raw[vnet.HeaderLen:])
				}
				edits := make([]frame.Edit, len(all))
				for k := range edits {
					edits[k] = frame.Edit{Strip: uint8(min(next(3), len(data.Tags))), Push: []uint32{0, newTag, outerTag}[next(3)],
						Rewrite: []*frame.Rewrite{nil, nil, toHost, sameHops}[next(4)]}
					if next(4) == 0 {
						edits[k].Strip = 3
					}
				}
				plan = append(plan, edits)
				batch = append(batch, raw)
			}
			raws = append(raws, batch...)
			p := parkVnet(from, batch...)
			sent = append(sent, p)
			for block && slices.ContainsFunc(all, func(one listener) bool { return one.Queued() > 0 }) {
				for _, one := range all {
					one.Take(1 + next(5))
				}
			}
		}
		for i, p := range sent {
			p.want(t, fmt.Sprintf("batch %d", i), "sent")
		}
		for k, one := range all {
			one.Take(-1)
			var want [][]byte
			for i, raw := range raws {
				var edit frame.Edit
				if !flooded(byte(i)) {
					edit = plan[i][k]
				}
				if edit.Strip == 3 {
					continue
				}
				whole := retaggedRaw(raw, edit)
				frames := [][]byte{whole[vnet.HeaderLen:]}
				wire := len(frames[0])
				if h := vnet.Parse(whole); !h.Plain() {
					wire = vnet.WireLen(h, frames[0])
					if block || !one.offload {
						frames = bustest.Complete(whole)
					}
				}
				limit := limits[one.Taper]
				for _, data := range frames {
					if len(frames) > 1 {
						wire = len(data)
					}
					if limit == 0 || wire <= limit {
						want = append(want, data)
					}
				}
			}
			if got := one.Frames(); !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%v, blocking %v, at most %d bytes: %d frames came, want %d, or others", one, block, limits[one.Taper], len(got), len(want))
			}
		}
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Error(err)
		}
		if used := l.Bus.Memory.Waiting(); used != 0 {
			t.Errorf("%d bytes are used when all was received", used)
		}
	})
}
