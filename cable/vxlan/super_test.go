package vxlan

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
	"ipnfs/lane/udp"
)

// super is a super-frame as a kernel has it, with the sum of the pseudo header.
func super(s bustest.Super) (vnet.Header, []byte) {
	h, data := s.Build()
	transport := data[h.CsumStart:]
	proto, addresses := byte(6), data[26:34]
	if s.UDP {
		proto = 17
	} else {
		transport[13] = 0x10
	}
	if s.V6 {
		addresses = data[22:54]
	}
	sum := fold(slices.Concat(addresses, []byte{0, proto, byte(len(transport) >> 8), byte(len(transport))}))
	binary.BigEndian.PutUint16(transport[h.CsumOffset:], sum)
	return h, data
}

var supers = map[string]bustest.Super{
	"TCP in IPv4": {To: 2, Size: 1000, Payload: 20500},
	"TCP in IPv6": {To: 2, V6: true, Size: 1000, Payload: 20500},
	"UDP in IPv4": {To: 2, UDP: true, Size: 1000, Payload: 20500},
	"UDP in IPv6": {To: 2, UDP: true, V6: true, Size: 1000, Payload: 20500},
}

// comes checks that the frames of a super-frame come to the network in few pieces, after
// what was sent is sent.
func comes(t *testing.T, l *lab, h vnet.Header, data []byte, send func()) {
	t.Helper()
	all := &bustest.Recorder{}
	l.JoinAs(t, all, bus.JoinOptions{Recv: true, Offload: true})
	want := bustest.Complete(bustest.WithHeader(h, data))
	send()
	got := l.await(t, len(want))
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d other frames came than the %d", len(got), len(want))
	}
	if n := len(all.Frames()); n > 2 {
		t.Errorf("%d frames came in %d pieces", len(want), n)
	}
}

// Segments that come as a run go on as a super-frame.
func TestMerged(t *testing.T) {
	for name, s := range supers {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 2, nil)
			h, data := super(s)
			comes(t, l, h, data, func() {
				a := l.peers[0]
				out := &udp.Sender{Family: unix.AF_INET, Head: vxlanHead(testVNI)}
				var d []udp.Datagram
				for _, f := range bustest.Complete(bustest.WithHeader(h, data)) {
					d = append(d, udp.Datagram{To: l.at, Data: f})
				}
				if n, err := out.Send(a.fd, d); n != len(d) || err != nil {
					t.Fatal(n, err)
				}
			})
		})
	}
}

// What the sender's kernel had to send as two runs is one super-frame again.
func TestMergedOverRuns(t *testing.T) {
	h, data := super(bustest.Super{To: 2, Size: 1400, Payload: 64000})
	k, err := newLink(frame.NewMemory(1<<20), testVNI, 4789)
	if err != nil {
		t.Fatal(err)
	}
	k.anybody = true
	turn := &lane.Turn{}
	frames := bustest.Complete(bustest.WithHeader(h, data))
	added := 0
	for _, part := range [][][]byte{frames[:44], frames[44:]} {
		run := udp.Run{From: at("10.0.0.1:1"), Size: headLen + len(part[0])}
		for _, f := range part {
			run.Data = append(append(run.Data, vxlanHead(testVNI)...), f...)
		}
		added += k.open(turn, &run)
	}
	if added += k.add(turn, 0); added != 1 || len(turn.Batch.Frames) != 1 {
		t.Fatalf("%d frames are %d", len(frames), added)
	}
	got := &turn.Batch.Frames[0]
	h, _ = got.Offload()
	if !slices.EqualFunc(bustest.Complete(bustest.WithHeader(h, got.Data())), frames, bytes.Equal) {
		t.Error("it stands for other frames")
	}
}

// What a vxlan device of this machine sends is not cut, nor has it checksums.
func TestUnfinished(t *testing.T) {
	for name, s := range supers {
		if s.UDP {
			continue
		}
		t.Run(name, func(t *testing.T) {
			h, data := super(s)
			headers := int(h.HdrLen)
			l := newLab(t, 2, func(k *link) { k.setLongest(headLen + headers + s.Size) })
			comes(t, l, h, data, func() {
				l.peers[0].send(t, l.at, slices.Concat(vxlanHead(testVNI), data))
			})
		})
	}
}

// A super-frame of UDP of such a device looks like a run of datagrams, of which only the
// first has headers.
func TestUnfinishedDatagrams(t *testing.T) {
	for name, s := range supers {
		if !s.UDP {
			continue
		}
		t.Run(name, func(t *testing.T) {
			h, data := super(s)
			l := newLab(t, 2, nil)
			comes(t, l, h, data, func() {
				run := slices.Concat(vxlanHead(testVNI), data)
				out := &udp.Sender{Family: unix.AF_INET}
				var d []udp.Datagram
				for piece := range slices.Chunk(run, s.Size) {
					d = append(d, udp.Datagram{To: l.at, Data: piece})
				}
				if n, err := out.Send(l.peers[0].fd, d); n != len(d) || err != nil {
					t.Fatal(n, err)
				}
			})
		})
	}
}

// A frame that is complete but for its checksum gets it.
func TestUnfinishedChecksum(t *testing.T) {
	h, data := super(bustest.Super{To: 2, Payload: 100})
	l := newLab(t, 2, nil)
	comes(t, l, h, data, func() { l.peers[0].send(t, l.at, slices.Concat(vxlanHead(testVNI), data)) })
}

// Whatever a peer sends, a run of it is taken apart without harm.
func FuzzOpen(f *testing.F) {
	for _, s := range supers {
		h, data := super(bustest.Super{To: s.To, V6: s.V6, UDP: s.UDP, Size: 50, Payload: 170})
		f.Add(slices.Concat(vxlanHead(testVNI), data), uint16(50), uint8(1), false)
		var run []byte
		size := 0
		for i, d := range bustest.Complete(bustest.WithHeader(h, data)) {
			if i == 0 {
				size = headLen + len(d)
			}
			run = append(append(run, vxlanHead(testVNI)...), d...)
		}
		f.Add(run, uint16(size), uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint16, tos uint8, allowed bool) {
		if len(data) == 0 || size == 0 || len(data)/int(size) > 64 {
			return
		}
		run := &udp.Run{Data: bytes.Clone(data), Size: min(int(size), len(data)), TOS: tos}
		k := &link{vni: testVNI, allowed: allowed}
		k.setLongest(200)
		turn := &lane.Turn{}
		whole(run)
		for more := true; more; more = len(run.Data) > 0 {
			if d, why := k.strip(run.Next(), run); why == 0 {
				k.frames = append(k.frames, d)
			}
		}
		if len(k.frames) > 0 && !allowed {
			t.Error("a stranger's frames are taken")
		}
		for _, d := range k.frames {
			if len(d) < minFrame {
				t.Errorf("a frame of %d bytes", len(d))
			}
		}
		udp.Add(turn, k.frames, udp.Wire{Longest: 200, Datagram: int(size) / 2})
		for i := range turn.Batch.Frames {
			f := &turn.Batch.Frames[i]
			if h, ok := f.Offload(); ok {
				if err := vnet.Check(h, f.Data()); err != nil {
					t.Errorf("frame %d: %v", i, err)
				}
			}
		}
	})
}
