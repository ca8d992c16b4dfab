package vlan

import (
	"encoding/binary"
	"testing"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
)

func set(t *testing.T, text string) *Set {
	t.Helper()
	s, err := ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A set gives what it takes, in one form.
func TestSetText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"none", "none"}, {"all", "all"}, {"1-4094", "all"}, {"7", "7"}, {"3,1 2", "1-3"}, {"10-12,11,4094", "10-12,4094"},
	} {
		if got := set(t, c.text).String(); got != c.want {
			t.Errorf("%q became %q, want %q", c.text, got, c.want)
		}
	}
	for text, want := range map[string]fail.Kind{
		"": fail.Invalid, " , ": fail.Invalid, "x": fail.Invalid, "0": fail.Range, "4095": fail.Range, "5-4": fail.Invalid, "1-": fail.Invalid, "+1": fail.Invalid,
	} {
		if _, err := ParseSet(text); fail.KindOf(err) != want {
			t.Errorf("%q: %v, want kind %v", text, err, want)
		}
	}
}

// frameOf makes a frame with a tag, or with none.
func frameOf(tpid, tci uint16) []byte {
	f := make([]byte, 12, 20)
	if tpid != 0 {
		f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, tpid), tci)
	}
	return append(f, 0x88, 0xb5, 1, 2)
}

// IEEE 802.1Q 6.9 and 8.6.2: what VLAN a frame is in at a port, and if it is let in.
func TestClassify(t *testing.T) {
	m := &Member{PVID: 7, Tagged: set(t, "10,20"), TPID: TPIDC}
	closed := &Member{Tagged: &Set{}, TPID: TPIDC}
	for _, c := range []struct {
		m    *Member
		data []byte
		want Tag
		ok   bool
	}{
		{m, frameOf(0, 0), Tag{VLAN: 7}, true},
		{m, frameOf(TPIDC, 0xe00a), Tag{10, 0xe000, TPIDC, 10}, true},
		{m, frameOf(TPIDC, 0x5000), Tag{7, 0x5000, TPIDC, 0}, true},
		{m, frameOf(TPIDC, 7), Tag{7, 0, TPIDC, 7}, true},
		{m, frameOf(TPIDC, 30), Tag{}, false},
		{m, frameOf(TPIDC, 4095), Tag{}, false},
		{m, frameOf(TPIDS, 30), Tag{VLAN: 7}, true}, // another protocol's: data
		{m, frameOf(TPIDC, 10)[:17], Tag{}, false},
		{closed, frameOf(0, 0), Tag{}, false},
		{closed, frameOf(TPIDC, 0), Tag{}, false},
	} {
		if got, ok := c.m.Classify(c.data); ok != c.ok || ok && got != c.want {
			t.Errorf("%x: %+v %v, want %+v %v", c.data, got, ok, c.want, c.ok)
		}
	}
}

// IEEE 802.1Q 8.6.4 and 6.9.2: with which tag a frame leaves, and if it may.
func TestEgress(t *testing.T) {
	m := &Member{PVID: 7, Tagged: set(t, "10"), TPID: TPIDC}
	for _, c := range []struct {
		tag  Tag
		want frame.Edit
		ok   bool
	}{
		{Tag{VLAN: 7}, frame.Edit{}, true},
		{Tag{7, 0xe000, TPIDC, 7}, frame.Edit{Strip: 1}, true},
		{Tag{VLAN: 10}, frame.Edit{Push: TPIDC<<16 | 10}, true},
		{Tag{10, 0x3000, TPIDC, 10}, frame.Edit{}, true},
		{Tag{10, 0x3000, TPIDC, 0}, frame.Edit{Strip: 1, Push: TPIDC<<16 | 0x300a}, true},
		{Tag{10, 0x3000, TPIDS, 10}, frame.Edit{Strip: 1, Push: TPIDC<<16 | 0x300a}, true},
		{Tag{VLAN: 20}, frame.Edit{}, false},
	} {
		if got, ok := m.Egress(c.tag); ok != c.ok || got != c.want {
			t.Errorf("%+v: %+v %v, want %+v %v", c.tag, got, ok, c.want, c.ok)
		}
	}
}

// What Names returned before a change stays as it was.
func TestTable(t *testing.T) {
	var table Table
	table.Add(10, "ten")
	before := table.Names()
	table.Add(20, "")
	table.Remove(10)
	if _, there := table.Names()[20]; len(table.Names()) != 1 || !there || before[10] != "ten" || len(before) != 1 {
		t.Errorf("names %v, before %v", table.Names(), before)
	}
}
