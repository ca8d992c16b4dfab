package l2switch

import (
	"encoding/binary"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/vnet"
)

// super is TCP that a kernel has left to be cut in segments of 1000 bytes.
func super(to mac, tags ...uint32) []byte {
	h, data := bustest.Super{Tags: tags, Size: 1000, Payload: 4500}.Build()
	copy(data, to[:])
	tcp := data[h.CsumStart:]
	sum := pseudoSum(data[h.CsumStart-8:h.CsumStart], len(tcp))
	binary.BigEndian.PutUint16(tcp[h.CsumOffset:], sum)
	return bustest.WithHeader(h, data)
}

// retagged is a frame with a virtio-net header after n tags were taken off, and
// others put there.
func retagged(raw []byte, strip int, push ...uint32) []byte {
	h, data := vnet.Parse(raw), raw[vnet.HeaderLen:]
	out := makeFrame(mac(data), mac(data[6:]), "", push...)
	out = append(out[:len(out)-2], data[12+4*strip:]...)
	shift := uint16(4 * (len(push) - strip))
	h.CsumStart += shift
	h.HdrLen += shift
	return bustest.WithHeader(h, out)
}

// Super-frames go through a change of tags whole to those who take them, with
// a header that fits, and are cut behind their new tags for those who do not.
func TestSuperFramesAndTags(t *testing.T) {
	const prio = 6 << pcpShift
	// Ports 2 to 5 want: no tag, a C-TAG, an S-TAG in front of what is there, and
	// no tag where the S-TAG was.
	settings := []string{"1/vlans=10", "1/pvid=20", "2/pvid=10", "3/vlans=10,20", "3/pvid=0", "4/tpid=802.1ad", "4/vlans=10,20", "4/pvid=0", "5/pvid=20"}
	for _, c := range []struct {
		what string
		raw  []byte
		want map[int][]byte // by port
	}{
		{"tagged", super(toAll, ctag(10, prio)), map[int][]byte{
			2: retagged(super(toAll, ctag(10, prio)), 1),
			3: super(toAll, ctag(10, prio)),
			4: retagged(super(toAll, ctag(10, prio)), 1, stag(10, prio)),
		}},
		{"untagged", super(toAll), map[int][]byte{
			3: retagged(super(toAll), 0, ctag(20)),
			4: retagged(super(toAll), 0, stag(20)),
			5: super(toAll),
		}},
		{"two tags", super(toAll, ctag(10, prio), ctag(7)), map[int][]byte{
			2: retagged(super(toAll, ctag(10, prio), ctag(7)), 1),
			3: super(toAll, ctag(10, prio), ctag(7)),
			4: retagged(super(toAll, ctag(10, prio), ctag(7)), 1, stag(10, prio)),
		}},
		{"priority tag", super(toAll, ctag(0, prio)), map[int][]byte{
			3: retagged(super(toAll, ctag(0, prio)), 1, ctag(20, prio)),
			4: retagged(super(toAll, ctag(0, prio)), 1, stag(20, prio)),
			5: retagged(super(toAll, ctag(0, prio)), 1),
		}},
		{"another VLAN", super(toAll, ctag(30)), nil},
	} {
		l := &lab{Lab: bustest.NewLab(t, Name+" vlan=on"), tb: t}
		sender := l.JoinAs(t, bustest.NewTaper(-1), bus.JoinOptions{Recv: true, Send: true, Offload: true})
		var takers, plain [6]*bustest.Taper
		for port := 2; port <= 5; port++ {
			takers[port] = bustest.NewTaper(-1)
			l.JoinAs(t, takers[port], bus.JoinOptions{Recv: true, Offload: true})
		}
		for port := 2; port <= 5; port++ { // second holders of the same ports, who take no super-frames
			plain[port] = bustest.NewTaper(-1)
			l.JoinAs(t, plain[port], bus.JoinOptions{Recv: true, Number: port})
		}
		l.set(settings...)
		if n := bustest.SendVnet(sender, c.raw); n != 1 {
			t.Fatalf("%d frames went", n)
		}
		for port := 2; port <= 5; port++ {
			want := c.want[port]
			var whole [][]byte
			for _, s := range takers[port].Shapes() {
				whole = append(whole, append(s.Header, s.Data...))
			}
			if want == nil {
				if len(whole)+len(plain[port].Frames()) != 0 {
					t.Errorf("%s: port %d got something", c.what, port)
				}
				continue
			}
			if len(whole) != 1 || !slices.Equal(whole[0], want) {
				t.Errorf("%s: port %d got %d frames: %.80x, want %.80x", c.what, port, len(whole), whole, want)
			}
			if got := plain[port].Frames(); !slices.EqualFunc(got, bustest.Complete(want), slices.Equal) {
				t.Errorf("%s: port %d got %d complete frames, want %d; or others", c.what, port, len(got), len(bustest.Complete(want)))
			}
			for _, f := range plain[port].Frames() {
				checkSegment(t, f)
			}
		}
	}
}

// checkSegment checks that TCP's checksum is that of a segment, behind any
// tags.
func checkSegment(t *testing.T, f []byte) {
	t.Helper()
	at := 12
	for isTPID(binary.BigEndian.Uint16(f[at:])) {
		at += 4
	}
	ip := f[at+2:]
	tcp := ip[20:]
	if sum16(uint32(pseudoSum(ip[12:20], len(tcp))), tcp) != 0xffff {
		t.Errorf("a segment of %d bytes has a wrong checksum", len(f))
	}
}

// pseudoSum is the sum of TCP's pseudo header (RFC 9293, 3.1).
func pseudoSum(addresses []byte, length int) uint16 { return sum16(uint32(6+length), addresses) }

// sum16 is the Internet checksum (RFC 1071), not complemented.
func sum16(sum uint32, data []byte) uint16 {
	for i, b := range data {
		sum += uint32(b) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
