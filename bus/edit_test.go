package bus_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/bus/vnet"
)

// edit carries a frame to a port of its own with an edit, and returns what
// comes.
func edit(t *testing.T, data []byte, e frame.Edit) []byte {
	t.Helper()
	ear := &bustest.Recorder{}
	var port *bus.Port
	s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) { out.AddEdited(port, e) }}
	l := s.lab(t)
	port = l.JoinAs(t, ear, bus.JoinOptions{Recv: true}).Port()
	bustest.Send(l.Join(t, &bustest.Sink{}), data)
	if len(ear.Frames()) != 1 {
		t.Fatalf("%d frames came, want 1", len(ear.Frames()))
	}
	return ear.Frames()[0]
}

// Frames byte by byte.
func TestEdit(t *testing.T) {
	const (
		macs, routed = "020000000001 020000000002", "020000000701 020000000801"
		v4           = "4500001c00010000 4011 66cb 0a000001 0a000002 0001000200080000" // 64 hops
		v4less       = "4500001c00010000 3f11 67cb 0a000001 0a000002 0001000200080000"
		options      = "4600002000010000 0211 00ff 01010100 0a000001 0a000002 0001000200080000" // whatever the sum
		optionsLess  = "4600002000010000 0111 01ff 01010100 0a000001 0a000002 0001000200080000"
		v6           = "6000000000083a40 fd000000000000000000000000000001 fd000000000000000000000000000002"
		v6less       = "6000000000083a3f fd000000000000000000000000000001 fd000000000000000000000000000002"
	)
	route := frame.Edit{Rewrite: toHost}
	for what, c := range map[string]struct {
		in   string
		edit frame.Edit
		want string
	}{
		"nothing":                       {macs + "0800" + v4, frame.Edit{}, macs + "0800" + v4},
		"IPv4":                          {macs + "0800" + v4, route, routed + "0800" + v4less},
		"IPv4, options":                 {macs + "0800" + options, route, routed + "0800" + optionsLess},
		"IPv4, padded":                  {macs + "0800" + v4 + "eeeeee", route, routed + "0800" + v4less + "eeeeee"},
		"IPv6":                          {macs + "86dd" + v6, route, routed + "86dd" + v6less},
		"802.1Q":                        {macs + "81000064 0800" + v4, route, routed + "81000064 0800" + v4less},
		"QinQ":                          {macs + "88a800c8 81000064 86dd" + v6, route, routed + "88a800c8 81000064 86dd" + v6less},
		"into a VLAN":                   {macs + "0800" + v4, frame.Edit{Push: 0x810000c8, Rewrite: toHost}, routed + "810000c8 0800" + v4less},
		"out of one":                    {macs + "81000064 86dd" + v6, frame.Edit{Strip: 1, Rewrite: toHost}, routed + "86dd" + v6less},
		"into another":                  {macs + "81006064 0800" + v4, frame.Edit{Strip: 1, Push: 0x810060c8, Rewrite: toHost}, routed + "810060c8 0800" + v4less},
		"out of two, into one":          {macs + "88a800c8 81000064 0800" + v4, frame.Edit{Strip: 2, Push: 0x81000065, Rewrite: toHost}, routed + "81000065 0800" + v4less},
		"the addresses alone":           {macs + "0800" + v4, frame.Edit{Rewrite: sameHops}, "01005e000002 020000000802 0800" + v4},
		"the checksum 0xfeff":           {macs + "0800" + strings.Replace(v4, "66cb", "feff", 1), route, routed + "0800" + strings.Replace(v4less, "67cb", "0000", 1)},
		"the checksum 0xffff":           {macs + "0800" + strings.Replace(v4, "66cb", "ffff", 1), route, routed + "0800" + strings.Replace(v4less, "67cb", "0100", 1)},
		"the checksum 0":                {macs + "0800" + strings.Replace(v4, "66cb", "0000", 1), route, routed + "0800" + strings.Replace(v4less, "67cb", "0100", 1)},
		"no hop left":                   {macs + "0800" + strings.Replace(v4, "4011", "0011", 1), route, routed + "0800" + strings.Replace(v4, "4011", "0011", 1)},
		"no hop left in IPv6":           {macs + "86dd" + strings.Replace(v6, "3a40", "3a00", 1), route, routed + "86dd" + strings.Replace(v6, "3a40", "3a00", 1)},
		"ARP":                           {macs + "0806 0001080006040001", route, routed + "0806 0001080006040001"},
		"IPv4, cut in its header":       {macs + "0800" + v4[:42], route, routed + "0800" + v4[:42]},
		"IPv4, cut in its options":      {macs + "0800" + options[:51], route, routed + "0800" + options[:51]},
		"IPv6, cut in its header":       {macs + "86dd" + v6[:80], route, routed + "86dd" + v6[:80]},
		"cut in a tag":                  {macs + "8100 00", route, routed + "8100 00"},
		"addresses alone":               {macs, route, routed},
		"cut in its addresses":          {macs[:23], route, macs[:23]},
		"a tag to strip that is cut":    {macs + "8100 00", frame.Edit{Strip: 1, Rewrite: toHost}, macs + "8100 00"},
		"version 6 in a frame of IPv4":  {macs + "0800" + v6, route, routed + "0800" + v6},
		"an IPv4 header of less than 5": {macs + "0800 44" + v4[2:], route, routed + "0800 44" + v4[2:]},
	} {
		in, want := unhex(t, c.in), unhex(t, c.want)
		if got := edit(t, in, c.edit); !bytes.Equal(got, want) {
			t.Errorf("%s: % x comes as\n% x, want\n% x", what, in, got, want)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An edited frame stays in the form it came in, and its head is right; only
// one that has become too long for a 2-byte length comes bare.
func TestEditInAllForms(t *testing.T) {
	complete := bustest.Complete(bustest.Super{Payload: 90, Tags: []uint32{outerTag, innerTag}}.Raw())[0]
	h, super := bustest.Super{Payload: 300, Size: 100, Tags: []uint32{outerTag, innerTag}}.Build()
	put := func(form frame.Form, h vnet.Header, data []byte) []byte {
		var b bus.Batch
		b.AddVnet(bustest.WithHeader(h, data))
		head := make([]byte, form.HeadLen())
		if !b.Frames[0].PutHead(head, form, vni) {
			t.Fatalf("no head in form %#x", form)
		}
		return append(head, data...)
	}
	for form := range allForms {
		for _, e := range edits[1:] {
			var seen [][]byte
			var port *bus.Port
			s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) { out.AddEdited(port, e) }}
			l := s.lab(t)
			ear := &peeker{see: func(f *frame.Frame) {
				raw, _ := f.In(form)
				seen = append(seen, bytes.Clone(raw))
			}}
			port = l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Offload: true}).Port()
			from := l.Join(t, &bustest.Sink{})
			var b bus.Batch
			b.AddIn(form, put(form, vnet.Header{}, complete))
			want := [][]byte{put(form, vnet.Header{}, retagged(complete, e))}
			if isVnet(form) {
				b.AddIn(form, put(form, h, super))
				raw := retaggedRaw(bustest.WithHeader(h, super), e)
				want = append(want, put(form, vnet.Parse(raw), raw[vnet.HeaderLen:]))
			}
			from.Send(&b)
			b.Reset()
			if !slices.EqualFunc(seen, want, bytes.Equal) {
				t.Errorf("form %#x, %+v: what comes is\n% x, want\n% x", form, e, seen, want)
			}
		}
	}
}

// Receivers for whom a policy has the same edit share one copy.
func TestEditsAreShared(t *testing.T) {
	twin := *toHost
	plan := []frame.Edit{
		{Rewrite: toHost}, {Rewrite: toHost}, {Strip: 1, Rewrite: toHost}, {Rewrite: &twin}, {}, {Strip: 1, Rewrite: toHost},
	}
	copies := []int{0, 0, 1, 2, 3, 1} // which of them are the same
	var ports []*bus.Port
	s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
		for i, p := range ports {
			out.AddEdited(p, plan[i])
		}
	}}
	l := s.lab(t)
	at := make([]*byte, len(plan))
	for i := range plan {
		ear := &peeker{see: func(f *frame.Frame) { at[i] = unsafe.SliceData(f.Data()) }}
		ports = append(ports, l.JoinAs(t, ear, bus.JoinOptions{Recv: true}).Port())
	}
	data := bustest.Complete(bustest.Super{Payload: 90, Tags: []uint32{innerTag}}.Raw())[0]
	bustest.Send(l.Join(t, &bustest.Sink{}), data)
	for i := range plan {
		for k := range i {
			if (at[i] == at[k]) != (copies[i] == copies[k]) {
				t.Errorf("receivers %d and %d have one copy: %v", k, i, at[i] == at[k])
			}
		}
	}
}

// An Edit is compared for each frame and receiver.
func TestEditIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(frame.Edit{}); n > 16 {
		t.Errorf("an Edit has %d bytes", n)
	}
}
