package stp

import (
	"strings"
	"testing"
)

func TestConfigCheck(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string // part of the error
	}{
		{Config{}, ""},
		{Config{Priority: 61440, SystemIDExt: 4094, HelloTime: 2, MaxAge: 40, ForwardDelay: 30, TxHoldCount: 10}, ""},
		{Config{HelloTime: 1, MaxAge: 6, ForwardDelay: 4, TxHoldCount: 1}, ""},
		{Config{Priority: 32769}, "steps of 4096"},
		{Config{SystemIDExt: 4095}, "0 to 4094"},
		{Config{HelloTime: 3}, "hello time 3: must be 1 to 2"},
		{Config{HelloTime: -1}, "hello time"},
		{Config{MaxAge: 5}, "max age 5: must be 6 to 40"},
		{Config{MaxAge: 41}, "max age 41"},
		{Config{MaxAge: 6, ForwardDelay: 3}, "forward delay 3: must be 4 to 30"},
		{Config{ForwardDelay: 31}, "forward delay 31"},
		{Config{TxHoldCount: 11}, "transmit hold count 11"},
		{Config{ForwardDelay: 10}, "max age 20: must be at most 2 * (forward delay - 1) = 18"},
		{Config{ForwardDelay: 11}, ""},
	} {
		check(t, c.cfg, c.cfg.Check(), c.want)
		_, err := New(c.cfg, newRecorder())
		check(t, c.cfg, err, c.want)
	}
	for _, c := range []struct {
		cfg  PortConfig
		want string
	}{
		{PortConfig{}, ""},
		{PortConfig{Cost: 200_000_000, Priority: 240}, ""},
		{PortConfig{Cost: 200_000_001}, "path cost"},
		{PortConfig{Priority: 8}, "steps of 16"},
	} {
		check(t, c.cfg, c.cfg.Check(), c.want)
	}
}

func check(t *testing.T, what any, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("%+v: no error, want one with %q", what, want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("%+v: %v, want %q", what, err, want)
	}
}

func TestIdentifiers(t *testing.T) {
	id := makeBridgeID(Config{Priority: 36864, SystemIDExt: 0x123, MAC: testMAC})
	if id != 0x9123525400123456 || id.Priority() != 36864 || id.MAC() != testMAC || id.String() != "9123.525400123456" {
		t.Errorf("bridge id %v, priority %d, address %x", id, id.Priority(), id.MAC())
	}
	port := makePortID(240, 4095)
	if port != 0xffff || port.Number() != 4095 || makePortID(128, 1).String() != "8001" {
		t.Errorf("port id %v, number %d", port, port.Number())
	}
	if Backup.String() != "backup" || Forwarding.String() != "forwarding" || Role(9).String() != "9" {
		t.Error("names")
	}
}

// 17.5 and 17.6: what is better, and what replaces what.
func TestVectors(t *testing.T) {
	w := vector{0x8000000000000005, 100, 0x8000000000000007, 0x8002}
	for _, c := range []struct {
		name     string
		v        vector
		order    int
		superior bool
	}{
		{"the same", w, 0, false},
		{"better root", vector{w.root - 1, 900, w.bridge + 9, 0x8009}, -1, true},
		{"worse root", vector{w.root + 1, 0, w.bridge - 1, 0x8001}, 1, false},
		{"shorter", vector{w.root, 99, w.bridge + 9, 0x8009}, -1, true},
		{"longer", vector{w.root, 101, w.bridge - 1, 0x8001}, 1, false},
		{"better bridge", vector{w.root, 100, w.bridge - 1, 0x8009}, -1, true},
		{"worse bridge", vector{w.root, 100, w.bridge + 1, 0x8001}, 1, false},
		{"better port", vector{w.root, 100, w.bridge, 0x8001}, -1, true},
		{"worse port", vector{w.root, 100, w.bridge, 0x8003}, 1, false},
		{"worse, of the same port", vector{w.root + 1, 100, w.bridge, w.port}, 1, true},
		{"worse, of the same port by its new priorities", vector{w.root, 100, 0x9000000000000007, 0x9002}, 1, true},
	} {
		if got := c.v.compare(w); got != c.order {
			t.Errorf("%s: order %d, want %d", c.name, got, c.order)
		}
		if got := c.v.superior(w); got != c.superior {
			t.Errorf("%s: superior %v", c.name, got)
		}
	}
	if v := (vector{cost: 1<<32 - 2}).via(3); v.cost != 1<<32-1 {
		t.Errorf("a cost that overflows becomes %d", v.cost)
	}
}
