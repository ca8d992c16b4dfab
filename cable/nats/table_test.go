package nats

import (
	"fmt"
	"testing"

	"ipnfs/bus/frame"
)

// heard is a frame from a station to all, and to one from a station of nobody's.
func heard(mac [6]byte, tags ...byte) []byte {
	f := append(append([]byte{}, everybody[:]...), mac[:]...)
	return append(append(f, tags...), 8, 0, 0, 0, 0, 0, 0, 0)
}

func to(mac [6]byte, tags ...byte) []byte {
	f := append(append([]byte{}, mac[:]...), 2, 9, 9, 9, 9, 9)
	return append(append(f, tags...), 8, 0, 0, 0, 0, 0, 0, 0)
}

func newTestTable() *table {
	t := newTable(func(sender uint64) string { return fmt.Sprint(sender) })
	t.memory = frame.NewMemory(1 << 30)
	return t
}

func (t *table) learn(data []byte, sender uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.learnLocked(data, sender)
}

// at is the subject for a frame, or empty: all.
func (t *table) at(data []byte) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.findLocked(data); n != nil {
		return n.subject
	}
	return ""
}

func TestTable(t *testing.T) {
	ta := newTestTable()
	tag := []byte{0x81, 0, 0xe0, 7} // VLAN 7, priority 7
	want := func(what string, data []byte, subject string) {
		t.Helper()
		if got := ta.at(data); got != subject {
			t.Errorf("%s: to %q, want %q", what, got, subject)
		}
	}
	want("nobody is known", to(station(1)), "")
	ta.learn(heard(station(1)), 100)
	ta.learn(heard(station(2)), 100)
	ta.learn(heard(station(3)), 200)
	want("known", to(station(1)), "100")
	want("known", to(station(3)), "200")
	want("to all", to(everybody), "")
	want("to a group", to([6]byte{1, 0, 0x5e, 0, 0, 1}), "")
	want("in a VLAN", to(station(1), tag...), "")
	ta.learn(heard(station(1), tag...), 200)
	want("in a VLAN", to(station(1), tag...), "200")
	want("in a VLAN by another priority", to(station(1), 0x81, 0, 0, 7), "200")
	want("in none", to(station(1)), "100")
	want("too short", to(station(1))[:13], "")
	ta.learn(heard([6]byte{1, 0, 0, 0, 0, 1}), 300)
	ta.learn(heard(station(4))[:13], 300)
	if len(ta.nodes) != 2 {
		t.Errorf("%d nodes are known", len(ta.nodes))
	}
	ta.learn(heard(station(3)), 100)
	want("moved", to(station(3)), "100")
	ta.learn(heard(station(1), tag...), 100)
	if len(ta.nodes) != 1 || ta.count() != 4 || ta.memory.Used() != nodeCost+4*stationCost {
		t.Errorf("%d nodes, %d stations for %d bytes", len(ta.nodes), ta.count(), ta.memory.Used())
	}
	ta.forget(1)
	ta.learn(heard(station(2)), 100)
	ta.forget(1)
	want("heard again", to(station(2)), "100")
	want("forgotten", to(station(3)), "")
	ta.leave("100")
	want("gone", to(station(2)), "")
	if len(ta.nodes) != 0 || ta.memory.Used() != 0 {
		t.Errorf("%d nodes are left for %d bytes", len(ta.nodes), ta.memory.Used())
	}
}

// One node does not fill the table, nor do many, and what finds no memory is not known.
func TestTableBounds(t *testing.T) {
	ta := newTestTable()
	for i := range maxNodeStations + 10 {
		ta.learn(heard(station(i)), 100)
	}
	if ta.count() != maxNodeStations {
		t.Errorf("%d stations behind one node", ta.count())
	}
	for i := range 65536 {
		ta.learn(heard(station(i)), uint64(200+i%7))
	}
	if ta.count() != maxStations {
		t.Errorf("%d stations in all", ta.count())
	}
	if used := ta.memory.Used(); used != int64(ta.count()*stationCost+len(ta.nodes)*nodeCost) {
		t.Errorf("%d bytes for %d stations and %d nodes", used, ta.count(), len(ta.nodes))
	}
	ta.leave("")
	if len(ta.nodes) != 0 || ta.memory.Used() != 0 {
		t.Errorf("%d nodes are left for %d bytes", len(ta.nodes), ta.memory.Used())
	}
	ta.memory = frame.NewMemory(nodeCost)
	ta.learn(heard(station(1)), 100)
	if ta.count() != 0 || len(ta.nodes) != 0 || ta.memory.Used() != 0 {
		t.Errorf("without memory: %d stations, %d nodes, %d bytes", ta.count(), len(ta.nodes), ta.memory.Used())
	}
}
