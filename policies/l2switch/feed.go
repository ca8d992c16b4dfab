package l2switch

import (
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/stp"
)

// Follow lets f repeat what the switch decides about known unicast.
func (s *Switch) Follow(f policy.Follower) (policy.Feed, error) {
	return s.feed.Follow(f, source{s}, &s.mem)
}

// source is what a follower asks of the switch. It takes no lock.
type source struct{ s *Switch }

// Station is policy.Feed's.
func (f source) Station(vlan uint16, mac [6]byte) (policy.Station, bool) {
	number, ok := f.s.fdb.Lookup(fdb.MakeKey(vlan, mac))
	if !ok {
		return policy.Station{}, false
	}
	return f.station(vlan, mac, number)
}

// station tells whether the entry is one that frames may go to and come from.
func (f source) station(vlan uint16, mac [6]byte, number int) (policy.Station, bool) {
	to := policy.Station{VLAN: vlan, MAC: mac, Port: number}
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

// Stations is policy.Feed's.
func (f source) Stations(port int) (list []policy.Station) {
	f.s.fdb.Each(func(e fdb.Entry) {
		if port == 0 || port == e.Port {
			if to, ok := f.station(e.VLAN, e.MAC, e.Port); ok {
				list = append(list, to)
			}
		}
	})
	return list
}

// Ports is policy.Feed's.
func (f source) Ports() (list []policy.FeedPort) {
	for p := range f.s.ports.all {
		list = append(list, f.port(p))
	}
	return list
}

// Port is policy.Feed's.
func (f source) Port(number int) (policy.FeedPort, bool) {
	p := f.s.ports.get(number)
	if p == nil {
		return policy.FeedPort{}, false
	}
	return f.port(p), true
}

func (f source) port(p *port) policy.FeedPort {
	c, m := p.config.Load(), f.s.mode.Load()
	to := policy.FeedPort{Port: p.bus, Isolated: c.isolated, VLANs: m.vlans, PVID: c.PVID, TPID: c.TPID}
	if m.apart {
		to.Apart = "switch/fastpath is off"
	}
	return to
}

// elsewhere is where a follower lets frames pass.
type elsewhere struct{ s *Switch }

var _ fdb.Elsewhere = elsewhere{}

// Any is fdb.Elsewhere's.
func (e elsewhere) Any() bool { return e.s.feed.Followed() }

// Used is fdb.Elsewhere's, in the fdb's clock.
func (e elsewhere) Used(k fdb.Key, port int) (uint32, bool) {
	when, ok := e.s.feed.Used(k.VLAN(), k.MAC(), port)
	if !ok {
		return 0, false
	}
	return seconds(min(e.s.since(when), e.s.now.Load())), true
}
