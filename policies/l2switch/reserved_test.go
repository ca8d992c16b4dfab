package l2switch

import (
	"fmt"
	"testing"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// Addresses reserved for bridges are not forwarded (IEEE 802.1Q 8.6.3, table
// 8-1), tagged or not, whether there are VLANs or not, but for those that
// group_forward names, and 00 as long as there is no spanning tree.
func TestReservedAddresses(t *testing.T) {
	for _, vlan := range []string{"off", "on"} {
		for _, mode := range []string{"off", "rstp", "per-vlan"} {
			if mode == "per-vlan" && vlan == "off" {
				continue
			}
			for _, mask := range []uint16{0, 0x4008, 0xfffe} {
				spec := fmt.Sprintf("%s vlan=%s group_forward=%d", Name, vlan, mask)
				l := newLab(t, spec, 2)
				l.set("1/vlans=10", "2/vlans=10", "stp="+mode)
				filtered := 0
				for n := range byte(0x20) {
					for _, tags := range [][]uint32{nil, {ctag(10)}} {
						l.at(1).say(bridgeGroup(n), "reserved", tags...)
						came := len(l.at(2).heard()) == 1
						want := n > 0x0f || mask>>n&1 != 0
						if n == 0 {
							want = mode == "off"
						}
						if came != want {
							t.Errorf("%s stp %s: a frame to %s with tags %x came: %v, want %v", spec, mode, bridgeGroup(n), tags, came, want)
						}
						if !came {
							filtered++
						}
					}
				}
				if got := l.at(1).dropped(frame.DropFiltered); got != filtered {
					t.Errorf("%s stp %s: %d frames were counted as filtered, want %d", spec, mode, got, filtered)
				}
			}
		}
	}
}

// What passes by group_forward is no way around the rest of the switch, and no
// BPDU passes with it.
func TestReservedAddressesAndTheRest(t *testing.T) {
	l := newLab(t, Name+" group_forward=0xfffe", 3)
	l.set("1/isolated=on", "2/isolated=on", "1/storm=multicast=1")
	l.at(1).say(bridgeGroup(14), "LLDP")
	l.wantHeard("an isolated port", "LLDP", 3)
	l.at(1).say(bridgeGroup(14), "too many")
	l.wantHeard("over the rate", "")

	l = newLab(t, Name+" group_forward=0xfffe", 2)
	tap := l.tap()
	l.set("stp=rstp")
	tap.say(bridgeGroup(14), "from a port that does not forward")
	l.wantHeard("a port that does not forward", "")
	l.at(1).send(rstBPDU(0x1000<<48|1, flagDesignated))
	for _, f := range l.at(2).Frames() {
		if mac(f[6:]) == macOf(99) {
			t.Errorf("a BPDU passed: %x", f)
		}
	}
}

func TestGroupForward(t *testing.T) {
	l := newLab(t, Name, 0)
	l.want("group_forward", "0x0000")
	for text, want := range map[string]string{
		"0x4000": "0x4000", "0XfffE": "0xfffe", "2": "0x0002", "65534": "0xfffe", "0": "0x0000", "0x0": "0x0000",
	} {
		l.set("group_forward=" + text)
		l.want("group_forward", want)
	}
	l.set("group_forward=0x0008")
	for text, kind := range map[string]fail.Kind{
		"": fail.Invalid, "0x": fail.Invalid, "lldp": fail.Invalid, "-2": fail.Invalid, "0x10g": fail.Invalid, "1e3": fail.Invalid, "0b11": fail.Invalid,
		"1": fail.Invalid, "0xffff": fail.Invalid, "3": fail.Invalid,
		"65536": fail.Range, "0x10000": fail.Range, "99999999999999999999": fail.Range,
	} {
		wantKind(t, "group_forward "+text, l.try("group_forward", text), kind)
		l.want("group_forward", "0x0008")
	}
	_, err := policy.New(Name + " group_forward=1")
	wantKind(t, "group_forward=1 as an argument", err, fail.Invalid)
}
