package l2switch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// The VLAN matrix: each form of a frame, into each kind of port, out of each
// kind of port. The clauses are of IEEE Std 802.1Q-2018.
//
// Two tables say what must be: in which VLAN a frame is that comes in, and
// with what tag a frame of a VLAN goes out.

// kinds of ports, as they are set up.
var kinds = []struct {
	name     string
	settings []string
}{
	{"access", []string{"pvid=10"}},
	{"trunk", []string{"pvid=0", "vlans=10,20"}}, // only tagged frames
	{"native", []string{"pvid=10", "vlans=20"}},  // VLAN 10 without a tag
	{"both", []string{"pvid=10", "vlans=10,20"}}, // goes out tagged, comes in as it likes
	{"closed", []string{"pvid=0"}},
	{"all", []string{"vlans=all"}},
	{"customer", []string{"pvid=100", "tpid=0x88a8"}}, // QinQ: what customers tag is data
	{"provider", []string{"pvid=0", "vlans=10,100", "tpid=0x88a8"}},
}

const high = 5<<pcpShift | dei // a priority of 5, drop eligible

// forms are frames, and for each kind of port the VLAN that they are in then:
//
//   - none: the frame is dropped
//     10   VLAN 10; the frame has no tag that counts at this port
//     10t  VLAN 10; the outer tag says so, or gives the priority
var forms = []struct {
	name   string
	tags   []uint32
	cut    int    // only so many bytes of it, if not 0
	vlans  string // by kind of port, in the order of kinds
	clause string
}{
	{"untagged", nil, 0, "10 - 10 10 - 1 100 -",
		"6.9.1: an untagged frame gets the PVID, or is no acceptable frame type"},
	{"priority", []uint32{ctag(0, high)}, 0, "10t - 10t 10t - 1t 100 -",
		"6.9.1, 9.6 table 9-2: the null VID is no VID, the PVID is assigned"},
	{"C10", []uint32{ctag(10, high)}, 0, "10t 10t 10t 10t - 10t 100 -",
		"6.9.1: the VID of the tag; 8.6.2: a port takes VLANs that it is a member of"},
	{"C20", []uint32{ctag(20, 3<<pcpShift)}, 0, "- 20t 20t 20t - 20t 100 -",
		"8.6.2: ingress filtering of a VLAN that is not the port's"},
	{"C30", []uint32{ctag(30)}, 0, "- - - - - 30t 100 -",
		"8.6.2: ingress filtering of a VLAN that is none of the ports'"},
	{"C1", []uint32{ctag(1)}, 0, "- - - - - 1t 100 -",
		"9.6 table 9-2: VID 1 is but the default of PVID"},
	{"C4094", []uint32{ctag(4094)}, 0, "- - - - - 4094t 100 -",
		"9.6: the last VID that may be used"},
	{"C4095", []uint32{ctag(4095)}, 0, "- - - - - - 100 -",
		"6.9.1, 9.6 table 9-2: VID FFF is reserved, the frame is discarded"},
	{"S10", []uint32{stag(10, high)}, 0, "10 - 10 10 - 1 - 10t",
		"9.5 table 9-1: a tag of another type is data"},
	{"S100", []uint32{stag(100, high)}, 0, "10 - 10 10 - 1 100t 100t",
		"6.9.1 with the S-TAG of a provider's port"},
	{"S priority", []uint32{stag(0, high)}, 0, "10 - 10 10 - 1 100t -",
		"6.9.1: the null VID in an S-TAG"},
	{"C10 C20", []uint32{ctag(10), ctag(20)}, 0, "10t 10t 10t 10t - 10t 100 -",
		"9.3: the first tag counts, what follows is data"},
	{"S100 C10", []uint32{stag(100, high), ctag(10)}, 0, "10 - 10 10 - 1 100t 100t",
		"9.3, 15.3: a customer's tag behind the S-TAG"},
	{"C20 S100", []uint32{ctag(20), stag(100)}, 0, "- 20t 20t 20t - 20t 100 -",
		"9.3: an S-TAG behind a C-TAG is data"},
	{"priority C20", []uint32{ctag(0, high), ctag(20)}, 0, "10t - 10t 10t - 1t 100 -",
		"6.9.1: behind a priority tag no other one is looked for"},
	{"0x9100", []uint32{0x9100<<16 | 10}, 0, "10 - 10 10 - 1 100 -",
		"9.5: no TPID of the standard"},
	{"cut C10, 14 bytes", []uint32{ctag(10)}, 14, "- - - - - - 100 -",
		"9.3: a tag without a TCI is none"},
	{"cut C10, 15 bytes", []uint32{ctag(10)}, 15, "- - - - - - 100 -", "9.3"},
	{"cut C10, 17 bytes", []uint32{ctag(10)}, 17, "- - - - - - 100 -",
		"9.4: behind a tag there is a type"},
	{"whole C10, 18 bytes", []uint32{ctag(10)}, 18, "10t 10t 10t 10t - 10t 100 -", "9.4"},
	{"cut S10, 15 bytes", []uint32{stag(10)}, 15, "10 - 10 10 - 1 - -", "9.3"},
	{"C10 with a cut C20", []uint32{ctag(10), ctag(20)}, 19, "10t 10t 10t 10t - 10t 100 -",
		"9.3: what is behind the first tag is data"},
}

// egresses says for each kind of port with what tag frames of a VLAN leave:
// C, S, u (untagged), or not at all. VLANs that are not listed do not.
var egresses = map[string]string{
	"access":   "10u",                       // 8.8.2: the untagged set
	"trunk":    "10C 20C",                   // 6.9.2: the tag header is inserted
	"native":   "10u 20C",                   //
	"both":     "10C 20C",                   //
	"closed":   "",                          // 8.6.4: the member set is empty
	"all":      "1C 10C 20C 30C 100C 4094C", //
	"customer": "100u",                      // 6.13: the S-TAG is gone
	"provider": "10S 100S",                  // 9.5: S-TAG, 0x88a8
}

func TestVLANMatrix(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 0)
	var in, out []*station
	for _, list := range []*[]*station{&in, &out} {
		for _, k := range kinds {
			s := l.join(bus.JoinOptions{})
			for _, setting := range k.settings {
				l.set(fmt.Sprintf("%d/%s", s.number(), setting))
			}
			*list = append(*list, s)
		}
	}
	for _, form := range forms {
		for i, vlan := range strings.Fields(form.vlans) {
			f := makeFrame(toAll, macOf(i+1), "body", form.tags...)
			if form.cut != 0 {
				f = f[:form.cut]
			}
			before := in[i].dropped(frame.DropVLAN)
			in[i].send(f)
			if dropped := in[i].dropped(frame.DropVLAN)-before == 1; dropped != (vlan == "-") {
				t.Errorf("%s into %s: dropped as vlan: %v, want VLAN %s (%s)", form.name, kinds[i].name, dropped, vlan, form.clause)
			}
			for k, s := range out {
				got := s.heard()
				switch want := leaves(f, vlan, egresses[kinds[k].name]); {
				case want == nil && len(got) == 0:
				case want != nil && len(got) == 1 && bytes.Equal(got[0], want):
				default:
					t.Errorf("%s into %s: out of %s came %x, want %x (%s)", form.name, kinds[i].name, kinds[k].name, got, want, form.clause)
				}
			}
		}
	}
}

// leaves is what must come of a frame of a VLAN, nil if nothing may. The
// priority goes from tag to tag (6.9.3, 6.9.2); without a tag that counts it is
// 0.
func leaves(f []byte, vlan, egress string) []byte {
	number, tagged := strings.CutSuffix(vlan, "t")
	rest, prio := f[12:], 0
	if tagged {
		prio, rest = int(binary.BigEndian.Uint16(f[14:]))&0xf000, f[16:]
	}
	for _, e := range strings.Fields(egress) {
		if strings.TrimRight(e, "CSu") != number {
			continue
		}
		v, _ := strconv.Atoi(number)
		out := bytes.Clone(f[:12])
		switch e[len(e)-1] {
		case 'C':
			out = binary.BigEndian.AppendUint32(out, ctag(v, prio))
		case 'S':
			out = binary.BigEndian.AppendUint32(out, stag(v, prio))
		}
		return append(out, rest...)
	}
	return nil
}
