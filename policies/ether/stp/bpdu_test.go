package stp

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

var testMAC = [6]byte{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}

// bpdus are BPDUs as 9.3 lays them out, an octet after the other.
var bpdus = []struct {
	name string
	hex  string // from the length on, without padding
	bpdu bpdu
}{
	{
		"configuration BPDU, 9.3.1",
		"0026 424203" + "0000 00 00" + "81" +
			"8001525400123456" + "00004e20" + "9002525400abcdef" + "8003" +
			"0100 1400 0200 0f00",
		bpdu{
			kind: configBPDU, flags: flagTC | flagTCAck | roleDesignated,
			vector: vector{0x8001525400123456, 20000, 0x9002525400abcdef, 0x8003},
			times:  times{1, 20, 2, 15},
		},
	},
	{
		"TCN BPDU, 9.3.2",
		"0007 424203" + "0000 00 80",
		bpdu{kind: tcnBPDU},
	},
	{
		"RST BPDU, 9.3.3: a designated port proposes",
		"0027 424203" + "0000 02 02" + "0e" +
			"1000525400123456" + "00000000" + "1000525400123456" + "80ff" +
			"0000 0600 0100 0400" + "00",
		bpdu{
			kind: rstBPDU, flags: flagProposal | roleDesignated,
			vector: vector{0x1000525400123456, 0, 0x1000525400123456, 0x80ff},
			times:  times{0, 6, 1, 4},
		},
	},
	{
		"RST BPDU: a root port agrees, learns, forwards and tells of a change",
		"0027 424203" + "0000 02 02" + "79" +
			"0fff000000000001" + "0bebc200" + "ffff525400123456" + "f001" +
			"2700 2800 0200 1e00" + "00",
		bpdu{
			kind: rstBPDU, flags: flagTC | roleRoot | flagLearning | flagForwarding | flagAgreement,
			vector: vector{0x0fff000000000001, 200_000_000, 0xffff525400123456, 0xf001},
			times:  times{39, 40, 2, 30},
		},
	},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// frameOf is a frame with those octets behind the addresses.
func frameOf(t testing.TB, s string) []byte {
	t.Helper()
	f := append(group[:], testMAC[:]...)
	f = append(f, unhex(t, s)...)
	return append(f, make([]byte, max(0, frameSize-len(f)))...)
}

func TestBPDU(t *testing.T) {
	for _, c := range bpdus {
		want := frameOf(t, c.hex)
		var got [frameSize]byte
		m := c.bpdu
		if m.kind == configBPDU {
			m.flags &^= roleMask // implied
		}
		m.encode(&got, testMAC)
		if !bytes.Equal(got[:], want) {
			t.Errorf("%s: encodes as\n%x, want\n%x", c.name, got, want)
		}
		if m, ok := decode(want); !ok || m != c.bpdu {
			t.Errorf("%s: decodes as %v %+v, want %+v", c.name, ok, m, c.bpdu)
		}
	}
}

// What else 9.3.4 takes, and what it refuses.
func TestDecode(t *testing.T) {
	const (
		rst    = "0027 424203 0000 02 02 3c 1000525400123456 00000000 1000525400123456 8001 0000 1400 0200 0f00 00"
		config = "0026 424203 0000 00 00 00 1000525400123456 00000000 1000525400123456 8001 0000 1400 0200 0f00"
	)
	for _, c := range []struct {
		name, hex string
		kind      kind
		ok        bool
	}{
		{"RST", rst, rstBPDU, true},
		{"another protocol", strings.Replace(rst, "0000 02 02", "0001 02 02", 1), 0, false},
		{"an unknown type", strings.Replace(rst, "02 02", "02 03", 1), 0, false},
		{"RST of version 0", strings.Replace(rst, "0000 02 02", "0000 00 02", 1), 0, false},
		{"RST of version 3, as MSTP sends", strings.Replace(rst, "0000 02 02", "0000 03 02", 1), rstBPDU, true},
		{"RST cut by its length", strings.Replace(rst, "0027", "0026", 1), 0, false},
		{"longer than its type needs", strings.Replace(rst, "0027", "002e", 1), rstBPDU, true},
		{"longer than the frame", strings.Replace(rst, "0027", "002f", 1), 0, false},
		{"RST of an unknown role is taken for STP", strings.Replace(rst, " 3c ", " 30 ", 1), configBPDU, true},
		{"configuration", config, configBPDU, true},
		{"configuration of a later version", strings.Replace(config, "0000 00 00", "0000 02 00", 1), configBPDU, true},
		{"configuration cut by its length", strings.Replace(config, "0026", "0025", 1), 0, false},
		{"configuration as old as max age", strings.Replace(config, "8001 0000", "8001 1400", 1), 0, false},
		{"configuration a little younger", strings.Replace(config, "8001 0000", "8001 13ff", 1), configBPDU, true},
		{"TCN", "0007 424203 0000 00 80", tcnBPDU, true},
		{"TCN cut by its length", "0006 424203 0000 00 80", 0, false},
		{"nothing", "0003 424203", 0, false},
		{"no LLC", "0000 424203", 0, false},
	} {
		m, ok := decode(frameOf(t, c.hex))
		if ok != c.ok || ok && m.kind != c.kind {
			t.Errorf("%s: %v %v", c.name, m.kind, ok)
		}
	}
}

// Times that would make the protocol unsafe are brought into 802.1D's ranges.
func TestDecodeTimes(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want times
	}{
		{"0000 0000 0000 0000", times{0, 6, 1, 4}},
		{"ffff ffff ffff ffff", times{256, 40, 10, 30}},
		{"007f 147f 0280 0f80", times{0, 20, 3, 16}},
		{"0080 1400 0200 0f00", times{1, 20, 2, 15}},
	} {
		m, ok := decode(frameOf(t, "0027 424203 0000 02 02 3c 1000525400123456 00000000 1000525400123456 8001 "+c.hex+" 00"))
		if !ok || m.times != c.want {
			t.Errorf("%s: %v %+v, want %+v", c.hex, ok, m.times, c.want)
		}
	}
}

func TestIsBPDU(t *testing.T) {
	good := frameOf(t, bpdus[0].hex)
	if !IsBPDU(good) || !IsBPDU(good[:17]) {
		t.Error("a BPDU is none")
	}
	for n := range 17 {
		if IsBPDU(good[:n]) {
			t.Errorf("%d octets are a BPDU", n)
		}
	}
	for _, i := range []int{0, 5, 12, 14, 15, 16} { // 12: a type, not a length
		bad := bytes.Clone(good)
		bad[i] ^= 0x80
		if IsBPDU(bad) {
			t.Errorf("a BPDU with another octet %d", i)
		}
	}
}
