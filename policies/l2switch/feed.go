package l2switch

import (
	"time"

	"ipnfs/bus"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/stp"
)

// Follow lets f repeat what the switch decides about known unicast.
func (s *Switch) Follow(f bus.Follower) (bus.Feed, error) {
	return s.feed.Follow(f, source{s}, &s.mem)
}

// source is what a follower asks of the switch. It takes no lock.
type source struct{ s *Switch }

// Station is bus.Feed's.
func (f source) Station(vlan uint16, mac [6]byte) (bus.Station, bool) {
	number, ok := f.s.fdb.Lookup(fdb.MakeKey(vlan, mac))
	if !ok {
		return bus.Station{}, false
	}
	return f.station(vlan, mac, number)
}

// station tells whether the entry is one that frames may go to and come from.
func (f source) station(vlan uint16, mac [6]byte, number int) (bus.Station, bool) {
	to := bus.Station{VLAN: vlan, MAC: mac, Port: number}
	m, p := f.s.mode.Load(), f.s.ports.get(number)
	if p == nil || p.stpState(m, vlan) != stp.Forwarding {
		return to, false
	}
	if !m.vlans {
		return to, vlan == 0
	}
	c := p.config.Load()
	to.Tagged = c.Tagged.Has(vlan)
	return to, vlan != 0 && c.Has(vlan)
}

// Stations is bus.Feed's.
func (f source) Stations(port int) (list []bus.Station) {
	for _, e := range f.s.fdb.Entries() {
		if port == 0 || port == e.Port {
			if to, ok := f.station(e.VLAN, e.MAC, e.Port); ok {
				list = append(list, to)
			}
		}
	}
	return list
}

// Ports is bus.Feed's.
func (f source) Ports() (list []bus.FeedPort) {
	for p := range f.s.ports.all {
		list = append(list, f.port(p))
	}
	return list
}

// Port is bus.Feed's.
func (f source) Port(number int) (bus.FeedPort, bool) {
	p := f.s.ports.get(number)
	if p == nil {
		return bus.FeedPort{}, false
	}
	return f.port(p), true
}

func (f source) port(p *port) bus.FeedPort {
	c := p.config.Load()
	return bus.FeedPort{Port: p.bus, Isolated: c.isolated, VLANs: f.s.mode.Load().vlans, PVID: c.PVID, TPID: c.TPID}
}

// Touch is bus.Feed's.
func (f source) Touch(vlan uint16, mac [6]byte, port int, when time.Time) {
	then := min(f.s.since(when), f.s.now.Load())
	f.s.fdb.Touch(fdb.MakeKey(vlan, mac), port, seconds(then))
}
