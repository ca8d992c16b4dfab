package l2switch

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/snoop"
)

// FuzzForward sends frames of any bytes into a switch in any mode: nothing
// breaks, nothing is allocated for data, and what comes out is what came in,
// but for one tag.
func FuzzForward(f *testing.F) {
	for _, tags := range [][]uint32{nil, {ctag(0)}, {ctag(10)}, {stag(10), ctag(5)}, {ctag(4095)}} {
		for _, to := range []mac{toAll, toGroup, macOf(2), nobody, bridgeGroup(0)} {
			data := makeFrame(to, macOf(1), "body", tags...)
			f.Add(byte(0), byte(0), data)
			f.Add(byte(1), byte(2), data[:14])
		}
	}
	f.Add(byte(5), byte(1), rstBPDU(0x1000<<48|1, flagDesignated|flagTC))
	f.Add(byte(4), byte(1), membershipReport(1, "224.1.2.3"))
	f.Fuzz(func(t *testing.T, mode, port byte, data []byte) {
		if len(data) == 0 || len(data) > frame.DefaultMTU {
			return
		}
		l := newMode(t, modes[int(mode)%len(modes)].settings)
		l.heard()
		in := l.at(1 + int(port)%len(l.stations))
		in.send(data)
		for _, s := range l.stations {
			for _, got := range s.heard() {
				if s == in {
					t.Fatalf("a frame came back to port %d", s.number())
				}
				if !sameButTag(data, got) {
					t.Fatalf("%x came in by port %d, and left as %x by port %d", data, in.number(), got, s.number())
				}
			}
		}
		if isControl(data) {
			return
		}
		var out policy.Egress
		lent := frame.NewFrame(data)
		current := l.Net.Policy()
		if n := testing.AllocsPerRun(20, func() {
			out.Reset()
			current.Forward(in.conn.Port(), &lent, &out)
		}); n != 0 {
			t.Fatalf("%v allocations for %x", n, data)
		}
	})
}

// isControl tells whether a frame may be for the switch itself.
func isControl(data []byte) bool {
	return len(data) < 6 || mac(data) == bridgeGroup(0) || snoop.Control(data)
}

// sameButTag tells whether two frames are the same, but that a tag behind the
// addresses may be another one, be gone or be new.
func sameButTag(in, out []byte) bool {
	if len(in) < 14 || len(out) < 14 || !bytes.Equal(in[:12], out[:12]) {
		return false
	}
	a, b := in[12:], out[12:]
	return bytes.Equal(a, b) || bytes.Equal(behindTag(a), behindTag(b)) || bytes.Equal(behindTag(a), b) || bytes.Equal(a, behindTag(b))
}

// behindTag is what follows a tag, nil if there is none.
func behindTag(rest []byte) []byte {
	if len(rest) < 4 || !isTPID(binary.BigEndian.Uint16(rest)) {
		return nil
	}
	return rest[4:]
}

// FuzzCommands writes any text to any table or knob: it is taken, and can be
// read back, or is refused with a reason and changes nothing.
func FuzzCommands(f *testing.F) {
	var names []string
	for _, v := range values(newLab(f, Name, 2).Net) {
		if v.set != nil {
			names = append(names, v.name)
		}
	}
	for _, text := range []string{
		"", "on", "off", "300", "-1", "10,20-30", "all", "none", "0x88a8", "802.1Q", "broadcast=5 unknown=off", "cost=5 edge=auto guard=on",
		"rstp priority=4096 hello=1 mac=02:00:00:00:00:01", "per-vlan", "max_age=6", "add 02:00:00:00:00:05 port=1 vlan=10", "del 02:00:00:00:00:05",
		"flush port=1 vlan=1", "add 10 name=x", "del 10", "4095", "99999999999999999999", "\x00", "10-", "=", "auto",
	} {
		for i := range names {
			f.Add(byte(i), text)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, text string) {
		l := newLab(t, Name, 2)
		l.set("vlan=on")
		name := names[int(which)%len(names)]
		before := snapshot(l.Net)
		v := find(t, l.Net, name)
		if err := v.set(text); err != nil {
			if fail.KindOf(err) == 0 || err.Error() == "" {
				t.Fatalf("echo %q > %s: refused by %v", text, name, err)
			}
			if now := snapshot(l.Net); now != before {
				t.Fatalf("echo %q > %s was refused (%v), and yet changed\n%sto\n%s", text, name, err, indent(before), indent(now))
			}
			return
		}
		got := v.get()
		if strings.ContainsRune(got, 0) || v.table && got != "" && !strings.HasSuffix(got, "\n") {
			t.Fatalf("echo %q > %s: it shows %q then", text, name, got)
		}
		if settings, _, _ := strings.Cut(got, "\n"); !v.table {
			if err := v.set(settings); err != nil {
				t.Fatalf("echo %q > %s: it shows %q then, and does not take it: %v", text, name, got, err)
			}
			if again := v.get(); again != got {
				t.Fatalf("%s shows %q, and when it is set to that %q", name, got, again)
			}
		}
	})
}
