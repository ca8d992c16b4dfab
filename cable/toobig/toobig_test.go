package toobig

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// unhex reads bytes with white space between.
func unhex(text string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		panic(err)
	}
	return b
}

const (
	macs  = "02 00 00 00 00 0b 02 00 00 00 00 0a "
	tagA  = "88 a8 00 64 "
	tagB  = "81 00 20 05 "
	ping4 = "08 00 45 00 04 00 12 34 40 00 40 01 10 c7 0a 00 00 01 0a 00 00 02 08 00 aa bb 00 01 00 02 "
	ping6 = "86 dd 60 01 23 45 05 14 3a 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 80 00 aa bb 00 01 00 02 "
)

// frame4 and frame6 are pings of 1,024 and 1,340 bytes, the rest of which is "x".
func frame4(tags string) []byte { return fill(unhex(macs+tags+ping4), 1024+2-len(unhex(ping4))) }
func frame6(tags string) []byte { return fill(unhex(macs+tags+ping6), 1340+2-len(unhex(ping6))) }

func fill(b []byte, more int) []byte { return append(b, bytes.Repeat([]byte("x"), more)...) }

// An answer is known to the byte.
func TestAnswer(t *testing.T) {
	const back = "02 00 00 00 00 0a 02 00 00 00 00 0b "
	for name, c := range map[string]struct {
		frame   []byte
		longest int
		head    string // of the answer, up to what it quotes
		quoted  int    // bytes of the packet
	}{
		"IPv4":            {frame4(""), 1014, back + "08 00 45 00 02 40 00 00 40 00 40 01 24 bb 0a 00 00 02 0a 00 00 01 03 04 SUM 00 00 03 e8", 548},
		"IPv4 in a VLAN":  {frame4(tagB), 1018, back + tagB + "08 00 45 00 02 40 00 00 40 00 40 01 24 bb 0a 00 00 02 0a 00 00 01 03 04 SUM 00 00 03 e8", 548},
		"IPv4 in two":     {frame4(tagA + tagB), 1014, back + tagA + tagB + "08 00 45 00 02 40 00 00 40 00 40 01 24 bb 0a 00 00 02 0a 00 00 01 03 04 SUM 00 00 03 e0", 548},
		"IPv6":            {frame6(""), 1300, back + "86 dd 60 00 00 00 04 d8 3a 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 02 00 SUM 00 00 05 06", 1232},
		"IPv6 in a VLAN":  {frame6(tagB), 1298, back + tagB + "86 dd 60 00 00 00 04 d8 3a 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 02 00 SUM 00 00 05 00", 1232},
		"a short way":     {frame4(""), 82, back + "08 00 45 00 02 40 00 00 40 00 40 01 24 bb 0a 00 00 02 0a 00 00 01 03 04 SUM 00 00 00 44", 548},
		"the shortest":    {frame6(""), 1294, back + "86 dd 60 00 00 00 04 d8 3a 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 02 00 SUM 00 00 05 00", 1232},
		"with a trailer":  {append(frame4(""), 1, 2, 3), 1014, back + "08 00 45 00 02 40 00 00 40 00 40 01 24 bb 0a 00 00 02 0a 00 00 01 03 04 SUM 00 00 03 e8", 548},
		"a byte too long": {frame4(""), 1037, back + "08 00 45 00 02 40 00 00 40 00 40 01 24 bb 0a 00 00 02 0a 00 00 01 03 04 SUM 00 00 03 ff", 548},
	} {
		got, ok := Answer([]byte("kept"), c.frame, c.longest)
		if !ok || string(got[:4]) != "kept" {
			t.Errorf("%s: %v, %x", name, ok, got)
			continue
		}
		got = got[4:]
		at, _ := network(c.frame)
		before, after, _ := strings.Cut(c.head, "SUM")
		want, rest := unhex(before), append(unhex(after), c.frame[at:][:c.quoted]...)
		if len(got) != len(want)+2+len(rest) || !bytes.Equal(got[:len(want)], want) || !bytes.Equal(got[len(want)+2:], rest) {
			t.Errorf("%s: the answer is\n%x, want\n%x....%x", name, got, want, rest)
		}
		check(t, got)
	}
}

// check looks at the checksums of an answer, bit by bit.
func check(t *testing.T, frame []byte) {
	t.Helper()
	at, etherType := network(frame)
	ip, icmp, pseudo := frame[at:at+ipv6Len], frame[at+ipv6Len:], []byte(nil)
	if etherType == 0x0800 {
		ip, icmp = frame[at:at+ipv4Len], frame[at+ipv4Len:]
		if got := ones(ip); got != 0xffff {
			t.Errorf("the checksum of the header comes to %x", got)
		}
	} else {
		pseudo = append(append(pseudo, ip[8:40]...), 0, 0, byte(len(icmp)>>8), byte(len(icmp)), 0, 0, 0, 58)
	}
	if got := ones(append(pseudo, icmp...)); got != 0xffff {
		t.Errorf("the checksum of ICMP comes to %x", got)
	}
}

// ones is the sum of RFC 1071, added word by word with each carry.
func ones(b []byte) uint32 {
	s := uint32(0)
	for i, c := range b {
		if i%2 == 0 {
			s += uint32(c) << 8
		} else {
			s += uint32(c)
		}
		if s > 0xffff {
			s -= 0xffff
		}
	}
	return s
}

// Who is not to be answered is not.
func TestNoAnswer(t *testing.T) {
	const ip = 14 // offset of the packet
	set := func(frame []byte, at int, values ...byte) []byte {
		copy(frame[at:], values)
		if frame[12] == 8 { // the header's checksum is right again
			frame[ip+10], frame[ip+11] = 0, 0
			s := ^fold(sum(frame[ip : ip+ipv4Len]))
			frame[ip+10], frame[ip+11] = byte(s>>8), byte(s)
		}
		return frame
	}
	for name, frame := range map[string][]byte{
		"nothing": nil, "a piece": frame4("")[:13], "no packet": frame4("")[:14], "half a header": frame4("")[:30],
		"a packet that is cut short":             frame4("")[:1000],
		"IPv6 that is cut short":                 frame6("")[:1330],
		"to a group of stations":                 set(frame4(""), 0, 1),
		"IPv6 to a group of stations":            set(frame6(""), 0, 0x33),
		"from a group of stations":               set(frame4(""), 6, 1),
		"no IP":                                  set(frame6(""), 12, 0x08, 0x06),
		"three tags":                             frame4(tagB + tagB + tagB),
		"another version":                        set(frame4(""), ip, 0x55),
		"another version of IPv6":                set(frame6(""), ip, 0x40),
		"a header of 16 bytes":                   set(frame4(""), ip, 0x44),
		"it may be cut":                          set(frame4(""), ip+6, 0),
		"it is a part":                           set(frame4(""), ip+6, 0x40, 1),
		"from nobody":                            set(frame4(""), ip+12, 0, 0, 0, 0),
		"from itself":                            set(frame4(""), ip+12, 127),
		"from a group":                           set(frame4(""), ip+12, 224),
		"to all":                                 set(frame4(""), ip+16, 255, 255, 255, 255),
		"to a group":                             set(frame4(""), ip+16, 239),
		"to itself":                              set(frame4(""), ip+16, 127),
		"an error of ICMP":                       set(frame4(""), ip+20, 3),
		"a redirect":                             set(frame4(""), ip+20, 5),
		"what ICMP does not know":                set(frame4(""), ip+20, 77),
		"it is shorter than it says":             set(frame4(""), ip+2, 4, 1),
		"it is not too long, but its trailer is": set(frame4(""), ip+2, 3, 0),
		"IPv6 from nobody":                       set(frame6(""), ip+8, make([]byte, 16)...),
		"IPv6 from itself":                       set(frame6(""), ip+8, append(make([]byte, 15), 1)...),
		"IPv6 from a group":                      set(frame6(""), ip+8, 0xff),
		"IPv6 to a group":                        set(frame6(""), ip+24, 0xff),
		"IPv6 to itself":                         set(frame6(""), ip+24, append(make([]byte, 15), 1)...),
		"an error of ICMPv6":                     set(frame6(""), ip+40, 127),
		"packet too big":                         set(frame6(""), ip+40, 2),
		"a redirect of ICMPv6":                   set(frame6(""), ip+40, 137),
		"an error behind options":                set(set(frame6(""), ip+6, 60), ip+40, 58, 0, 0, 0, 0, 0, 0, 0, 1),
		"an error behind three headers":          set(set(frame6(""), ip+6, 0), ip+40, 43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 51, 0, 0, 0, 0, 0, 0, 0, 58, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3),
		"a part of IPv6":                         set(set(frame6(""), ip+6, 44), ip+40, 17, 0, 0, 8),
		"options without an end":                 set(set(frame6(""), ip+6, 60), ip+40, 60, 255),
	} {
		if got, ok := Answer(nil, frame, 1294); ok || got != nil {
			t.Errorf("%s: the answer is %x", name, got)
		}
		if got, ok := Answer(nil, frame, 1000); ok || got != nil {
			t.Errorf("%s: the answer is %x", name, got)
		}
	}
	wrong := frame4("")
	wrong[ip+10]++
	for name, c := range map[string]struct {
		frame   []byte
		longest int
	}{
		"a wrong checksum": {wrong, 1000}, "it fits": {frame4(""), 1038}, "less than IPv4 takes": {frame4(""), 81}, "less than IPv6 takes": {frame6(""), 1293},
		"IPv6 that fits": {frame6(""), 1354}, "no way at all": {frame4(""), 0},
	} {
		if got, ok := Answer(nil, c.frame, c.longest); ok || got != nil {
			t.Errorf("%s: the answer is %x", name, got)
		}
	}
	// What only looks like these is answered.
	for name, frame := range map[string][]byte{
		"TCP": set(frame4(""), ip+9, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3), "the first part": set(frame4(""), ip+6, 0x60),
	} {
		if _, ok := Answer(nil, frame, 1000); !ok {
			t.Errorf("%s: there is no answer", name)
		}
	}
	for name, frame := range map[string][]byte{
		"TCP": set(frame6(""), ip+6, 6), "a neighbour": set(frame6(""), ip+40, 135),
		"UDP behind options":  set(set(frame6(""), ip+6, 60), ip+40, 17, 0),
		"the first part":      set(set(frame6(""), ip+6, 44), ip+40, 17, 0, 0, 1),
		"what nobody knows":   set(frame6(""), ip+6, 253),
		"an address with a 1": set(frame6(""), ip+8, append([]byte{0xfe}, make([]byte, 14)...)...),
	} {
		if _, ok := Answer(nil, frame, 1294); !ok {
			t.Errorf("%s: there is no answer", name)
		}
	}
}

// Whatever comes, an answer is well made, goes back, and is never answered itself.
func FuzzAnswer(f *testing.F) {
	f.Add(frame4(""), 1000)
	f.Add(frame4(tagA+tagB), 100)
	f.Add(frame6(""), 1300)
	f.Add(frame6(tagB), 1298)
	f.Fuzz(func(t *testing.T, frame []byte, longest int) {
		was := bytes.Clone(frame)
		got, ok := Answer(nil, frame, longest)
		if !bytes.Equal(frame, was) || ok != (got != nil) {
			t.Fatalf("%v, %x", ok, got)
		}
		if !ok {
			return
		}
		if len(got) > MaxLen || len(frame) <= longest {
			t.Errorf("an answer of %d bytes to %d bytes where %d fit", len(got), len(frame), longest)
		}
		check(t, got)
		if again, ok := Answer(nil, fill(got, 2000), longest); ok {
			t.Errorf("%x is answered by %x", got, again)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	dst := make([]byte, 0, MaxLen)
	for _, frame := range [][]byte{frame4(tagA + tagB), frame6(tagA + tagB)} {
		if n := testing.AllocsPerRun(100, func() { Answer(dst, frame, 1303) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}
