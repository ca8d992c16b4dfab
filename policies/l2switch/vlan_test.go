package l2switch

import (
	"slices"
	"testing"

	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// Each VLAN has addresses of its own (IEEE 802.1Q 8.8: independent learning):
// one address may be at two ports in two VLANs.
func TestAddressesByVLAN(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 5)
	l.set("1/pvid=10", "2/pvid=20", "3/pvid=0", "3/vlans=10,20", "4/pvid=10", "5/pvid=20")
	twin := macOf(100)
	l.at(1).send(makeFrame(toAll, twin, "x"))
	l.at(2).send(makeFrame(toAll, twin, "x"))
	l.want("fdb", entry(twin, 10, 1, 0)+entry(twin, 20, 2, 0))
	l.heard()
	l.at(3).say(twin, "in 10", ctag(10))
	l.wantHeard("VLAN 10", "in 10", 1)
	l.at(3).say(twin, "in 20", ctag(20))
	l.wantHeard("VLAN 20", "in 20", 2)
	l.at(4).say(macOf(3), "to the trunk in 10")
	l.wantHeard("known in VLAN 10", "to the trunk in 10", 3)
	l.at(5).say(macOf(4), "unknown in 20")
	l.wantHeard("known in the other VLAN only", "unknown in 20", 2, 3)
	if got := l.counter("fdb_moved"); got != "0" {
		t.Errorf("fdb_moved is %s", got)
	}
}

// A frame may go back to the port it came by in no VLAN, not even another one.
func TestNoWayBackInVLAN(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 2)
	l.set("1/vlans=10,20", "2/vlans=10,20")
	l.at(1).send(makeFrame(toAll, macOf(7), "x", ctag(10)))
	l.heard()
	l.at(1).say(macOf(7), "neighbour", ctag(10))
	l.wantHeard("to a neighbour", "neighbour")
	l.at(1).say(macOf(7), "other VLAN", ctag(20))
	l.wantHeard("unknown in the other VLAN", "other VLAN", 2)
}

// Egress filtering of a known destination (IEEE 802.1Q 8.6.4): it is known by
// hand at a port that is not in the VLAN.
func TestEgressFiltering(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 3)
	l.set("1/pvid=10", "3/pvid=10", "fdb=add "+nobody.String()+" port=2 vlan=10")
	l.at(1).say(nobody, "x")
	l.wantHeard("to a port outside the VLAN", "x")
	if got := l.at(1).dropped(frame.DropVLAN); got != 1 {
		t.Errorf("%d frames were counted as vlan, want 1", got)
	}
}

// Nothing is learned from a frame that the ingress rules drop (8.6.2, 8.7).
func TestNoLearningOutsideVLAN(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 2)
	l.at(1).say(toAll, "x", ctag(99))
	l.at(1).say(toAll, "x", ctag(4095))
	l.want("fdb", "")
}

// PCP and DEI go from tag to tag (6.9.3, 6.9.2), all 16 values, whatever the
// tag before: a C-TAG, an S-TAG, a priority tag.
func TestPriorityIsKept(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 4)
	l.set("1/vlans=10", "2/pvid=10", "3/vlans=10", "3/tpid=802.1ad", "3/pvid=10", "4/vlans=10")
	for prio := 0; prio < 1<<16; prio += dei {
		for _, in := range []struct {
			from *station
			tag  uint32
		}{{l.at(1), ctag(10, prio)}, {l.at(2), ctag(0, prio)}, {l.at(3), stag(10, prio)}, {l.at(3), stag(0, prio)}} {
			in.from.say(toAll, "x", in.tag)
			want := map[int][]byte{
				1: makeFrame(toAll, in.from.mac, "x", ctag(10, prio)),
				2: makeFrame(toAll, in.from.mac, "x"),
				3: makeFrame(toAll, in.from.mac, "x", stag(10, prio)),
				4: makeFrame(toAll, in.from.mac, "x", ctag(10, prio)),
			}
			for _, s := range l.stations {
				if got := s.heard(); s != in.from && (len(got) != 1 || !slices.Equal(got[0], want[s.number()])) {
					t.Errorf("tag %08x: port %d got %x, want %x", in.tag, s.number(), got, want[s.number()])
				}
			}
		}
	}
}

// Who changes VLANs is forgotten where he was; others are not.
func TestVLANChangeFlushes(t *testing.T) {
	for _, change := range []string{"1/pvid=20", "1/vlans=30", "1/tpid=802.1ad"} {
		l := newLab(t, Name+" vlan=on", 2)
		l.at(1).say(toAll, "x")
		l.at(2).say(toAll, "x")
		l.set("1/pvid=1", "1/vlans=none", "1/isolated=off", "1/stp=cost=7") // no change of VLANs
		l.want("fdb", entry(macOf(1), 1, 1, 0)+entry(macOf(2), 1, 2, 0))
		l.set(change)
		l.want("fdb", entry(macOf(2), 1, 2, 0))
	}
}

// The form of a frame is made for each port anew, in a batch too: some frames
// of a run are tagged already, others not.
func TestBatchOfManyForms(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 4)
	l.set("1/vlans=10,20", "2/pvid=10", "3/pvid=0", "3/vlans=10", "4/pvid=20", "4/vlans=10")
	var batch [][]byte
	for i, tag := range []uint32{ctag(10), ctag(10, 7<<pcpShift), ctag(20), 0, ctag(30), ctag(10)} {
		var tags []uint32
		if tag != 0 {
			tags = append(tags, tag)
		}
		batch = append(batch, makeFrame(toAll, macOf(1), string(rune('a'+i)), tags...))
	}
	l.set("1/pvid=10")
	if n := bustest.SendBatch(l.at(1).conn, batch...); n != len(batch) {
		t.Fatalf("%d of %d frames went", n, len(batch))
	}
	for port, want := range map[int][][]byte{
		2: {makeFrame(toAll, macOf(1), "a"), makeFrame(toAll, macOf(1), "b"), makeFrame(toAll, macOf(1), "d"), makeFrame(toAll, macOf(1), "f")},
		3: {batch[0], batch[1], makeFrame(toAll, macOf(1), "d", ctag(10)), batch[5]},
		4: {batch[0], batch[1], makeFrame(toAll, macOf(1), "c"), makeFrame(toAll, macOf(1), "d", ctag(10)), batch[5]},
	} {
		if got := l.at(port).heard(); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("port %d got\n%x, want\n%x", port, got, want)
		}
	}
}
