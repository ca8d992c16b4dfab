package vxlan

import (
	"net/netip"
	"testing"

	"ipnfs/bus/frame"
	"ipnfs/lane/udp"
)

func at(text string) udp.Addr { return udp.AddrOf(netip.MustParseAddrPort(text), 0) }

// Who moves is found where he is, and who is not heard of is forgotten; the memory is
// given back.
func TestTable(t *testing.T) {
	m := frame.NewMemory(1 << 20)
	table := newTable(m)
	a, b := at("10.0.0.1:4789"), at("10.0.0.2:4789")
	table.learn(learned{station: 1, from: a})
	table.learn(learned{station: 2, from: a})
	table.learn(learned{station: 1, from: b})
	for station, want := range map[uint64]udp.Addr{1: b, 2: a, 3: {}} {
		if got, known := table.find(station); got != want || known != (station != 3) {
			t.Errorf("station %d is at %v, want %v", station, got, want)
		}
	}
	for range rounds {
		table.next()
	}
	table.learn(learned{station: 2, from: b, round: table.round.Load()})
	table.next()
	if _, known := table.find(1); known {
		t.Error("station 1 is known for ever")
	}
	if _, known := table.find(2); !known {
		t.Error("station 2 is forgotten")
	}
	if used := m.Used(); used != stationCost {
		t.Errorf("%d bytes are used for a station", used)
	}
	table.close()
	table.next()
	table.learn(learned{station: 5, from: a})
	if used := m.Used(); used != 0 {
		t.Errorf("%d bytes are used in the end", used)
	}
}

// A peer that invents stations takes no more than there may be.
func TestTableIsBounded(t *testing.T) {
	for bytes, want := range map[int64]int{64 << 20: maxStations, 100 * stationCost: 100} {
		m := frame.NewMemory(bytes)
		table := newTable(m)
		for i := range uint64(maxStations + 100) {
			table.learn(learned{station: i + 1, from: at("10.0.0.1:1")})
		}
		n := len(table.stations)
		if n > want || n == 0 || bytes > 1<<20 && n != want || m.Used() != int64(n)*stationCost {
			t.Errorf("%d stations, want %d; %d bytes", n, want, m.Used())
		}
		table.learn(learned{station: 1, from: at("10.0.0.9:1")})
		if got, _ := table.find(1); got != at("10.0.0.9:1") {
			t.Errorf("station 1 is at %v still", got)
		}
		table.close()
	}
}
