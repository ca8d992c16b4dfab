package l2switch

import (
	"crypto/rand"
	"slices"
	"sync/atomic"
	"time"

	"ipnfs/bus"
	"ipnfs/policies/l2switch/fdb"
	"ipnfs/policies/l2switch/snoop"
	"ipnfs/policies/l2switch/stp"
)

// Name is the name under which the policy is registered.
const Name = "switch"

func init() {
	bus.RegisterPolicy(bus.PolicyType{
		Name:    Name,
		Summary: "an ethernet switch: learns addresses; VLANs, RSTP, multicast groups",
		New:     New,
	})
}

// Switch is the policy of one network.
type Switch struct {
	env    bus.Env
	fdb    *fdb.Table
	groups *snoop.Table
	mode   atomic.Pointer[mode]
	ports  atomic.Pointer[portSet]
	start  time.Time
	now    atomic.Int64 // the last Tick: nanoseconds since 1970 at start, and on from there by a clock that does not jump

	pvid     uint16                // that a port begins with
	names    map[uint16]string     // VLANs that were added, and their names
	kept     map[*bus.Port]*config // of reserved ports that nobody is connected to
	spanning spanning
}

// mode says which parts of the switch are in use, so that a plain one costs
// nothing more. It is immutable.
type mode struct {
	vlans     bool
	stp       stpMode
	isolation bool // some port is isolated
	storms    bool // some port has a rate
	snooping  bool

	groupForward uint16 // reserved addresses that are forwarded, by their last byte
}

// plain tells that a frame to all really goes to all ports, as it is.
func (m *mode) plain() bool { return !m.vlans && m.stp == stpOff && !m.isolation }

// port is what the switch knows of one port. Its fields may be read at any
// time; those that are not atomic do not change.
type port struct {
	bus    *bus.Port
	number int
	device bool // see isDevice
	config atomic.Pointer[config]
	state  atomic.Uint32                          // stp.State in the one tree
	states atomic.Pointer[[vlanIDs]atomic.Uint32] // stp.State by VLAN; nil: discarding
	storm  [stormKinds]bucket
	bpdus  atomic.Int32 // since the last Tick
}

// config is how a port is set up. It is immutable.
type config struct {
	pvid     uint16   // VLAN of untagged frames; 0: they are dropped
	tagged   *vlanSet // VLANs whose frames are tagged here
	tpid     uint16   // of the tags that count here
	isolated bool
	mrouter  bool            // a multicast router is there, heard or not
	rates    [stormKinds]int // frames a second; 0: any
	stp      stp.PortConfig
	edgeSet  bool // somebody set stp's edge
}

// newConfig is how a port is set up at first.
func (s *Switch) newConfig() *config {
	return &config{pvid: s.pvid, tagged: &vlanSet{}, tpid: tpidC, stp: stp.PortConfig{
		Cost: stp.DefaultCost, Priority: stp.DefaultPortPriority, PointToPoint: true, AutoEdge: true,
	}}
}

// portSet is all ports, immutable.
type portSet struct {
	list     []*port // by number
	byNumber []*port // by number; nil: no such port
}

func (s *portSet) get(number int) *port {
	if number < len(s.byNumber) {
		return s.byNumber[number]
	}
	return nil
}

// New makes a switch. Its arguments are its knobs.
func New(args map[string]string) (bus.Policy, error) {
	s := &Switch{
		fdb: fdb.New(fdb.DefaultLimit), groups: snoop.New(snoop.DefaultLimit),
		pvid: defaultVLAN, names: map[uint16]string{}, kept: map[*bus.Port]*config{},
	}
	s.spanning.init()
	s.mode.Store(&mode{})
	s.ports.Store(&portSet{})
	s.fdb.SetAgeing(fdb.DefaultAgeing)
	s.start = time.Now()
	s.now.Store(s.start.UnixNano())
	if _, err := rand.Read(s.spanning.config.MAC[:]); err != nil {
		return nil, bus.Errorf(bus.Unsupported, "no random MAC address for the switch: %v", err)
	}
	s.spanning.config.MAC[0] = s.spanning.config.MAC[0]&^1 | 2 // unicast, locally administered
	for _, k := range s.Knobs() {
		if value, ok := args[k.Name]; ok {
			if err := k.Set(value); err != nil {
				return nil, err
			}
			delete(args, k.Name)
		}
	}
	for key := range args {
		return nil, bus.Errorf(bus.Invalid, "policy switch has no argument %q: its knobs are arguments (%s)", key, s.knobNames())
	}
	return s, nil
}

// seconds is the fdb's clock: the second of the last Tick.
func (s *Switch) seconds() uint32 { return uint32(max(1, s.now.Load()/int64(time.Second))) }

// Name is the policy's name.
func (*Switch) Name() string { return Name }

// Start takes the network's services.
func (s *Switch) Start(env bus.Env) { s.env = env }

// Stop ends nothing: the switch has no goroutine.
func (*Switch) Stop() {}

// Join makes p a port of the switch.
func (s *Switch) Join(p *bus.Port) {
	n := &port{bus: p, number: p.Number(), device: isDevice(s.env.Kind(p))}
	c := *s.configOf(p)
	delete(s.kept, p)
	if !c.edgeSet { // a process that opens a port wants to talk at once, and is no bridge
		c.stp.AdminEdge = !n.device
	}
	n.config.Store(&c)
	for i := range n.storm {
		n.storm[i].refill(c.rates[i])
	}
	s.storePorts(append(slices.Clone(s.ports.Load().list), n))
	s.updateMode(func(*mode) {})
	s.groups.SetRouter(n.number, c.mrouter)
	s.spanning.join(s, n)
	if n.device {
		s.groups.Renew(n.number, s.vlansOf(n))
	}
}

// Link forgets who was behind a link that went down, and lets the spanning
// trees look for another way. Who was asked for his groups meanwhile has not
// heard it.
func (s *Switch) Link(p *bus.Port) {
	n := s.ports.Load().get(p.Number())
	if n == nil || n.bus != p {
		return
	}
	up := s.env.LinkUp(p)
	for _, t := range s.spanning.sorted() {
		t.bridge.EnablePort(n.number, up)
	}
	if !up {
		s.fdb.FlushPort(n.number, false)
	}
	s.groups.Renew(n.number, s.vlansOf(n))
}

// configOf is how a port is or will be set up.
func (s *Switch) configOf(p *bus.Port) *config {
	if n := s.ports.Load().get(p.Number()); n != nil && n.bus == p {
		return n.config.Load()
	}
	if c := s.kept[p]; c != nil {
		return c
	}
	return s.newConfig()
}

// SavePort is bus.PortKnobber's. Nothing is kept of a port that nobody has set
// up: it follows default_pvid.
func (s *Switch) SavePort(p *bus.Port) (restore func()) {
	before, had := s.kept[p]
	return func() {
		delete(s.kept, p)
		if had {
			s.kept[p] = before
		}
	}
}

// isDevice tells whether something that may be a bridge is behind a port.
func isDevice(kind string) bool { return kind != "port" && kind != "stream" && kind != "" }

// Leave ends Join.
func (s *Switch) Leave(p *bus.Port) {
	n := s.ports.Load().get(p.Number())
	if n == nil {
		return
	}
	s.storePorts(slices.DeleteFunc(slices.Clone(s.ports.Load().list), func(q *port) bool { return q == n }))
	s.spanning.leave(s, n)
	s.fdb.FlushPort(n.number, true)
	if n.device {
		s.groups.Renew(n.number, s.vlansOf(n))
	}
	s.groups.Forget(n.number)
	s.groups.SetRouter(n.number, false)
	s.updateMode(func(*mode) {})
	if s.env.Keeps(p) {
		s.kept[p] = n.config.Load()
	}
}

// storePorts puts another set of ports in force.
func (s *Switch) storePorts(list []*port) {
	slices.SortFunc(list, func(a, b *port) int { return a.number - b.number })
	set := &portSet{list: list}
	if len(list) > 0 {
		set.byNumber = make([]*port, list[len(list)-1].number+1)
	}
	for _, p := range list {
		set.byNumber[p.number] = p
	}
	s.ports.Store(set)
}

// updateMode changes the mode, and finds out what the ports need.
func (s *Switch) updateMode(change func(*mode)) {
	m := *s.mode.Load()
	change(&m)
	m.isolation, m.storms = false, false
	for _, p := range s.ports.Load().list {
		c := p.config.Load()
		m.isolation = m.isolation || c.isolated
		m.storms = m.storms || c.rates != [stormKinds]int{}
	}
	s.mode.Store(&m)
}

// configure sets up a port, connected or not, and what depends on it.
func (s *Switch) configure(b *bus.Port, c config) {
	before := s.configOf(b)
	p := s.ports.Load().get(b.Number())
	if p == nil || p.bus != b {
		s.kept[b] = &c
		return
	}
	p.config.Store(&c)
	for i := range p.storm {
		p.storm[i].refill(c.rates[i])
	}
	s.updateMode(func(*mode) {})
	s.groups.SetRouter(p.number, c.mrouter)
	if c.pvid != before.pvid || *c.tagged != *before.tagged || c.tpid != before.tpid {
		s.fdb.FlushPort(p.number, false)
		if s.mode.Load().vlans {
			s.groups.Renew(p.number, func(vlan uint16) bool { return c.differs(before, vlan) })
		}
		s.spanning.update(s)
	}
	if c.isolated != before.isolated {
		s.groups.Renew(p.number, s.vlansOf(p))
	}
}

// Tick ages what is to age, once a second.
func (s *Switch) Tick(now time.Time) {
	s.now.Store(s.start.UnixNano() + int64(now.Sub(s.start)))
	s.fdb.Tick(s.seconds())
	s.groups.Tick(time.Unix(0, s.now.Load())) // the clock of snoopControl
	for _, p := range s.ports.Load().list {
		p.bpdus.Store(0)
		c := p.config.Load()
		for i := range p.storm {
			p.storm[i].refill(c.rates[i])
		}
	}
	for p := range s.kept {
		if !s.env.Keeps(p) {
			delete(s.kept, p)
		}
	}
	s.spanning.tick()
}
