package l2switch

import (
	"crypto/rand"
	"sync/atomic"
	"time"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/feed"
	"ipnfs/policies/ether/snoop"
	"ipnfs/policies/ether/storm"
	"ipnfs/policies/ether/stp"
	"ipnfs/policies/ether/vlan"
)

// Name is the name under which the policy is registered.
const Name = "switch"

func init() {
	policy.Register(policy.Type{
		Name:    Name,
		Summary: "an ethernet switch: learns addresses; VLANs, RSTP, multicast groups",
		Feature: true,
		New:     New,
	})
}

// Switch is the policy of one network.
type Switch struct {
	env    policy.Env
	mem    memory
	fdb    *fdb.Table
	groups *snoop.Table
	feed   feed.Feed
	mode   atomic.Pointer[mode]
	ports  portTable
	start  time.Time
	now    atomic.Int64 // the last Tick: nanoseconds since 1970 at start, and on from there by a clock that does not jump

	pvid     uint16                  // that a port begins with
	fresh    [2]*config              // of ports that nobody has set up: programs', devices'
	vlans    vlan.Table              // that were added
	kept     map[policy.Port]*config // of reserved ports that nobody is connected to
	isolated int                     // ports that are
	storms   int                     // ports that have a rate
	spanning spanning
}

var _ interface {
	policy.Policy
	policy.Charger
	policy.Feeder
	policy.Starter
	policy.Joiner
	policy.Linker
	policy.Ticker
	policy.Tabler
	policy.Knobber
	policy.PortKnobber
} = (*Switch)(nil)

// mode says which parts of the switch are in use, so that a plain one costs
// nothing more. It is immutable.
type mode struct {
	vlans     bool
	stp       stpMode
	isolation bool // some port is isolated
	storms    bool // some port has a rate
	snooping  bool
	apart     bool // nobody repeats what the switch decides

	groupForward uint16 // reserved addresses that are forwarded, by their last byte
}

// plain tells that a frame to all really goes to all ports, as it is.
func (m *mode) plain() bool { return !m.vlans && m.stp == stpOff && !m.isolation }

// port is what the switch knows of one port. Its fields may be read at any
// time; those that are not atomic do not change.
type port struct {
	bus    policy.Port
	number int
	device bool // see isDevice
	config atomic.Pointer[config]
	state  atomic.Uint32          // stp.State in the one tree
	states atomic.Pointer[states] // by VLAN; nil: discarding
	storm  storm.Limiter
	bpdus  atomic.Int32 // since the last Tick
}

// config is how a port is set up. It is immutable.
type config struct {
	vlan.Member
	isolated bool
	mrouter  bool // a multicast router is there, heard or not
	rates    storm.Rates
	fdbMax   int // addresses that may be learned here; 0: any
	stp      stp.PortConfig

	set     uint8 // what somebody set of that which else follows from the kind of port
	charged bool  // it is a port's own
}

// Bits of config.set.
const (
	setEdge uint8 = 1 << iota
	setRootGuard
	setFDBMax
)

// freshFDB is how many addresses may be learned where a program opened a port,
// unless somebody says so: as many as a computer full of guests has, and a small
// part of a table.
const freshFDB = 1024

// freshConfig is how a port is set up at first. A program that opens a port wants
// to talk at once, and is no bridge; nor does it lead to the root, nor has the
// addresses of a whole network behind it.
func (s *Switch) freshConfig(device bool) *config {
	i := 0
	if device {
		i = 1
	}
	if c := s.fresh[i]; c != nil && c.PVID == s.pvid {
		return c
	}
	c := &config{Member: vlan.Member{PVID: s.pvid, Tagged: &vlan.Set{}, TPID: vlan.TPIDC}, stp: stp.PortConfig{
		Cost: stp.DefaultCost, Priority: stp.DefaultPortPriority, PointToPoint: true, AutoEdge: true,
	}}
	c.follow(device)
	s.fresh[i] = c
	return c
}

// follow makes what nobody set that of a kind of port.
func (c *config) follow(device bool) {
	if c.set&setEdge == 0 {
		c.stp.AdminEdge = !device
	}
	if c.set&setRootGuard == 0 {
		c.stp.RootGuard = !device
	}
	if c.set&setFDBMax == 0 {
		c.fdbMax = 0
		if !device {
			c.fdbMax = freshFDB
		}
	}
}

// New makes a switch. Its arguments are its knobs.
func New(args map[string]string) (policy.Policy, error) {
	s := &Switch{
		pvid: vlan.Default, kept: map[policy.Port]*config{},
	}
	s.fdb, s.groups = fdb.New(fdb.DefaultLimit, &s.mem), snoop.New(snoop.DefaultLimit, &s.mem)
	s.fdb.Watch(func(k fdb.Key) { s.feed.Changed(k.VLAN(), k.MAC()) })
	s.fdb.Ask(elsewhere{s})
	s.spanning.init()
	s.mode.Store(&mode{})
	s.fdb.SetAgeing(fdb.DefaultAgeing)
	s.start = time.Now()
	s.now.Store(s.start.UnixNano())
	if _, err := rand.Read(s.spanning.config.MAC[:]); err != nil {
		return nil, fail.Errorf(fail.Unsupported, "no random MAC address for the switch: %v", err)
	}
	s.spanning.drawn = true
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
		return nil, fail.Errorf(fail.Invalid, "policy switch has no argument %q: its knobs are arguments (%s)", key, s.knobNames())
	}
	return s, nil
}

// seconds is the fdb's clock: the second of the last Tick.
func (s *Switch) seconds() uint32 { return seconds(s.now.Load()) }

func seconds(now int64) uint32 { return uint32(max(1, now/int64(time.Second))) }

// since is a time as Switch.now has it.
func (s *Switch) since(t time.Time) int64 { return s.start.UnixNano() + int64(t.Sub(s.start)) }

// Name is the policy's name.
func (*Switch) Name() string { return Name }

// Admit charges what an empty switch holds.
func (s *Switch) Admit(env policy.Env) error {
	s.mem.start(env)
	if !s.mem.Charge(switchSize) {
		return errNoMemory
	}
	return nil
}

// Start takes the network's services.
func (s *Switch) Start(env policy.Env) { s.env = env }

// Stop gives the memory back. The switch has no goroutine.
func (s *Switch) Stop() {
	s.feed.End()
	s.mem.stop()
}

// Join makes p a port of the switch.
func (s *Switch) Join(p policy.Port) {
	n := &port{bus: p, number: p.Number(), device: isDevice(s.env.Kind(p))}
	c := s.kept[p]
	if c == nil {
		c = s.freshConfig(n.device)
	} else {
		follows := *c
		c = &follows
		c.follow(n.device)
		delete(s.kept, p)
	}
	n.config.Store(c)
	n.storm.Refill(&c.rates)
	s.ports.add(n)
	s.count(c, 1)
	s.fdb.SetPortLimit(n.number, c.fdbMax)
	s.groups.SetRouter(n.number, c.mrouter)
	s.spanning.join(s, n)
	if n.device {
		s.groups.Renew(n.number, s.vlansOf(n))
	}
	s.feed.PortChanged(n.number)
}

// Link forgets who was behind a link that went down, and lets the spanning
// trees look for another way. Who was asked for his groups meanwhile has not
// heard it.
func (s *Switch) Link(p policy.Port) {
	n := s.ports.get(p.Number())
	if n == nil || n.bus != p {
		return
	}
	up := s.env.LinkUp(p)
	for _, t := range s.spanning.sorted() {
		t.bridge.EnablePort(n.number, up)
	}
	if !up {
		s.fdb.FlushPort(n.number, false)
		s.feed.Revoke(n.number, policy.AnyVLAN)
	}
	s.groups.Renew(n.number, s.vlansOf(n))
}

// configOf is how a port is or will be set up.
func (s *Switch) configOf(p policy.Port) *config {
	if n := s.ports.get(p.Number()); n != nil && n.bus == p {
		return n.config.Load()
	}
	if c := s.kept[p]; c != nil {
		return c
	}
	return s.freshConfig(true)
}

// SavePort is policy.PortKnobber's. Nothing is kept of a port that nobody has set
// up: it follows default_pvid.
func (s *Switch) SavePort(p policy.Port) (restore func()) {
	before := s.kept[p]
	return func() {
		now := s.kept[p]
		if now == before {
			return
		}
		delete(s.kept, p)
		if before != nil {
			s.kept[p] = before
		} else {
			s.forgetConfig(now)
		}
	}
}

// forgetConfig gives back what a port had that is set up no more.
func (s *Switch) forgetConfig(c *config) {
	if c.charged {
		s.mem.Refund(configSize)
	}
}

// isDevice tells whether something that may be a bridge is behind a port.
func isDevice(kind string) bool { return kind != "port" && kind != "stream" && kind != "" }

// Leave ends Join.
func (s *Switch) Leave(p policy.Port) {
	n := s.ports.get(p.Number())
	if n == nil || n.bus != p {
		return
	}
	c := n.config.Load()
	s.ports.remove(n)
	s.count(c, -1)
	s.spanning.leave(s, n)
	s.fdb.FlushPort(n.number, true)
	s.feed.Revoke(n.number, policy.AnyVLAN)
	s.fdb.SetPortLimit(n.number, 0)
	if n.device {
		s.groups.Renew(n.number, s.vlansOf(n))
	}
	s.groups.Forget(n.number)
	s.groups.SetRouter(n.number, false)
	if s.env.Keeps(p) {
		s.kept[p] = c
	} else {
		s.forgetConfig(c)
	}
}

// count notes that so many ports more are set up in that way.
func (s *Switch) count(c *config, more int) {
	if c.isolated {
		s.isolated += more
	}
	if c.rates != (storm.Rates{}) {
		s.storms += more
	}
	if m := s.mode.Load(); m.isolation != (s.isolated > 0) || m.storms != (s.storms > 0) {
		s.updateMode(func(*mode) {})
	}
}

// updateMode changes the mode.
func (s *Switch) updateMode(change func(*mode)) {
	m := *s.mode.Load()
	change(&m)
	m.isolation, m.storms = s.isolated > 0, s.storms > 0
	s.mode.Store(&m)
}

// configure sets up a port, connected or not, and what depends on it; or it
// refuses and changes nothing.
func (s *Switch) configure(b policy.Port, c config) error {
	before := s.configOf(b)
	moves := !c.Same(&before.Member)
	if moves {
		if err := s.prepareTrees(s.mode.Load().stp, b, &c); err != nil {
			return err
		}
		defer s.mem.settle()
	}
	if !before.charged && !s.mem.Charge(configSize) {
		return errNoMemory
	}
	c.charged = true
	p := s.ports.get(b.Number())
	if p == nil || p.bus != b {
		s.kept[b] = &c
		return nil
	}
	s.count(before, -1)
	p.config.Store(&c)
	s.count(&c, 1)
	s.fdb.SetPortLimit(p.number, c.fdbMax)
	p.storm.Refill(&c.rates)
	s.groups.SetRouter(p.number, c.mrouter)
	if moves || c.TPID != before.TPID {
		s.fdb.FlushPort(p.number, false)
		if s.mode.Load().vlans {
			s.groups.Renew(p.number, func(vlan uint16) bool { return c.Differs(&before.Member, vlan) })
		}
		s.spanning.update(s, p)
	}
	if c.isolated != before.isolated {
		s.groups.Renew(p.number, s.vlansOf(p))
	}
	if moves || c.TPID != before.TPID || c.isolated != before.isolated {
		s.feed.Revoke(p.number, policy.AnyVLAN)
	}
	return nil
}

// Tick ages what is to age, once a second.
func (s *Switch) Tick(now time.Time) {
	s.now.Store(s.since(now))
	s.fdb.Tick(s.seconds())
	s.groups.Tick(time.Unix(0, s.now.Load())) // the clock of snoopControl
	for p := range s.ports.all {
		p.bpdus.Store(0)
		p.storm.Refill(&p.config.Load().rates)
	}
	for p, c := range s.kept {
		if !s.env.Keeps(p) {
			delete(s.kept, p)
			s.forgetConfig(c)
		}
	}
	s.spanning.tick(s)
}
