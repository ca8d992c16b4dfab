package device

import (
	"bytes"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane/lanetest"
)

// lies are headers with frames that no kernel gives, as a peer might make
// them up.
func lies() map[string][]byte {
	super := bustest.Super{To: 0xff, Size: 1448, Payload: 5000}
	change := func(f func(h *vnet.Header, frame []byte)) []byte {
		h, frame := super.Build()
		f(&h, frame)
		return bustest.WithHeader(h, frame)
	}
	plain := make([]byte, 60)
	all := map[string][]byte{
		"a giant segment":          change(func(h *vnet.Header, _ []byte) { h.GSOSize = 65535 }),
		"no segment":               change(func(h *vnet.Header, _ []byte) { h.GSOSize = 0 }),
		"an unknown type":          change(func(h *vnet.Header, _ []byte) { h.GSOType = 77 }),
		"fragments":                change(func(h *vnet.Header, _ []byte) { h.GSOType = vnet.UDP }),
		"another version":          change(func(h *vnet.Header, _ []byte) { h.GSOType = vnet.TCP6 }),
		"another protocol":         change(func(h *vnet.Header, _ []byte) { h.GSOType, h.CsumOffset = vnet.UDPL4, 6 }),
		"no checksum":              change(func(h *vnet.Header, _ []byte) { h.Flags = 0 }),
		"a checksum in the MACs":   change(func(h *vnet.Header, _ []byte) { h.CsumStart = 0 }),
		"a checksum in the header": change(func(h *vnet.Header, _ []byte) { h.CsumStart = 14 }),
		"a checksum at the end":    change(func(h *vnet.Header, f []byte) { h.CsumStart = uint16(len(f) - 1) }),
		"a checksum behind it":     change(func(h *vnet.Header, _ []byte) { h.CsumStart = 65535 }),
		"a checksum far behind it": change(func(h *vnet.Header, _ []byte) { h.CsumOffset = 65535 }),
		"a header behind the end":  change(func(h *vnet.Header, f []byte) { h.HdrLen = uint16(len(f) + 1) }),
		"a short data offset":      change(func(h *vnet.Header, f []byte) { f[h.CsumStart+12] = 4 << 4 }),
		"a long data offset":       change(func(h *vnet.Header, f []byte) { h.HdrLen = 0; f[h.CsumStart+12] = 0xf0 })[:10+54],
		"no IP":                    change(func(_ *vnet.Header, f []byte) { f[12] = 0x77 }),
		"a long IP header":         change(func(_ *vnet.Header, f []byte) { f[14] = 0x4f }),
		"a fragment":               change(func(_ *vnet.Header, f []byte) { f[20] = 0x20 }),
		"too many segments":        bustest.Super{To: 0xff, Size: 1, Payload: 60000}.Raw(),
		"a thousand datagrams":     bustest.Super{To: 0xff, Size: 1, Payload: 1000, UDP: true}.Raw(),
		"unknown flags":            change(func(h *vnet.Header, _ []byte) { h.Flags |= 0x80 }),
		"an unfinished checksum":   bustest.WithHeader(vnet.Header{Flags: vnet.NeedsCsum, CsumStart: 59, CsumOffset: 16}, plain),

		// The kernel looks at these of a complete frame as well: a tap or
		// packet socket that it goes on to would refuse it.
		"complete, a header behind the end": bustest.WithHeader(vnet.Header{HdrLen: 61}, plain),
		"complete, a giant header":          bustest.WithHeader(vnet.Header{HdrLen: 65535}, plain),
	}
	for n := range 14 {
		all["too short: "+string(rune('a'+n))] = bustest.WithHeader(vnet.Header{}, make([]byte, n))
	}
	for n := 1; n < vnet.HeaderLen; n++ {
		all["half a header: "+string(rune('0'+n))] = make([]byte, n)
	}
	return all
}

// What cannot be is counted where it came from and reaches nobody, and what
// comes between is not disturbed.
func TestMalformed(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T) {
		l := lanetest.Hub(t)
		a, b := newFakeTap(t), newFakeTap(t)
		da := a.start(t, l, Config{})
		db := b.start(t, l, Config{})
		cut := &bustest.Recorder{}
		l.JoinAs(t, cut, bus.JoinOptions{Recv: true})
		seen := uint64(0)
		for what, raw := range lies() {
			a.Bring(t, raw)
			seen++
			bustest.WaitFor(t, what, func() bool { return da.Port().Stats().Frames == seen })
			if lanetest.Count(da.Port(), "drop_malformed") != seen {
				t.Errorf("%s: it was let in", what)
				l.Net.ResetStats()
				seen = 0
			}
		}
		if n := len(b.Received()) + len(cut.Frames()); n != 0 {
			t.Errorf("%d of them came to others", n)
		}

		// Many at once, good ones between.
		l.Net.ResetStats()
		before := len(b.Received())
		var bad, good [][]byte
		for range 20 {
			for _, raw := range lies() {
				bad = append(bad, raw)
			}
		}
		for i, raw := range bad {
			a.Bring(t, raw)
			if i%3 == 0 {
				a.Bring(t, marked(1, i))
				good = append(good, marked(1, i))
			}
			b.Await(t, before) // read what is there
		}
		bustest.WaitFor(t, "all to be read", func() bool {
			return da.Port().Stats().Frames == uint64(len(bad)+len(good))
		})
		got := b.Received()[before:]
		if !slices.EqualFunc(got, good, bytes.Equal) {
			t.Errorf("%d good frames came, want %d, or others", len(got), len(good))
		}
		if stats := db.Port().Stats(); bustest.CheckBalance(stats) != nil || lanetest.Count(db.Port(), "drop_device") != 0 {
			t.Errorf("the other tap's are %+v", stats)
		}
		if got := lanetest.Count(da.Port(), "drop_malformed"); got != uint64(len(bad)) {
			t.Errorf("%d are counted as malformed, %d were sent", got, len(bad))
		}
	})
}

// FuzzAccept reads anything from a tap: it enters the network, and then is
// what can be relied on, or it is counted.
func FuzzAccept(f *testing.F) {
	for _, raw := range lies() {
		f.Add(raw[:min(len(raw), 3000)], uint16(1500))
	}
	for _, raw := range superFrames() {
		f.Add(raw[:min(len(raw), 3000)], uint16(1500))
	}
	f.Add(marked(1, 1), uint16(65535))
	f.Fuzz(func(t *testing.T, raw []byte, mtu uint16) {
		l := lanetest.Hub(t)
		if err := l.Net.Change(func(s *bus.Settings) { s.MTU = max(int(mtu), frame.MinMTU) }); err != nil {
			t.Fatal(err)
		}
		cut, whole := &bustest.Recorder{}, bustest.NewTaper(-1)
		l.JoinAs(t, cut, bus.JoinOptions{Recv: true})
		l.JoinAs(t, whole, bus.JoinOptions{Recv: true, Offload: true})
		far := newFakeTap(t)
		port := far.start(t, l, Config{}).Port()
		if len(raw) == 0 || !far.Try(raw) { // more than the socket takes
			return
		}
		bustest.WaitFor(t, "it to be counted", func() bool {
			stats := port.Stats()
			return stats.Frames+stats.Refused == 1
		})
		entered := whole.Shapes()
		if malformed := lanetest.Count(port, "drop_malformed"); uint64(len(entered))+malformed+port.Stats().Refused != 1 {
			t.Fatalf("it entered %d times, is malformed %d times and too long %d times", len(entered), malformed, port.Stats().Refused)
		}
		if len(entered) == 0 {
			return
		}
		h, data := vnet.Parse(raw), raw[vnet.HeaderLen:]
		if err := vnet.Check(h, data); err != nil {
			t.Errorf("%+v of %d bytes entered: %v", h, len(data), err)
		}
		want := bustest.Complete(raw)
		for _, f := range want {
			if len(f) > l.Net.MTU() {
				t.Errorf("%d bytes entered where the mtu is %d", len(f), l.Net.MTU())
			}
		}
		if got := append(entered[0].Header, entered[0].Data...); !bytes.Equal(got, raw) {
			t.Error("it was changed on its way")
		}
		if !slices.EqualFunc(cut.Frames(), want, bytes.Equal) {
			t.Errorf("%d complete frames came, want %d, or others", len(cut.Frames()), len(want))
		}
	})
}
