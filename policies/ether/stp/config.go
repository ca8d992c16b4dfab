package stp

import "fmt"

// Defaults of 802.1D-2004: tables 17-1 (times), 17-2 (priorities) and 17-3
// (the cost of a link of 1 Gbit/s).
const (
	DefaultPriority     = 32768
	DefaultHelloTime    = 2
	DefaultMaxAge       = 20
	DefaultForwardDelay = 15
	DefaultTxHoldCount  = 6
	DefaultCost         = 20000
	DefaultPortPriority = 128
)

// MaxPort is the highest port number that fits into a BPDU (9.2.7: 12 bits).
const MaxPort = 4095

// Config says who a bridge is and how it behaves. All times are in seconds. A
// time, or TxHoldCount, of 0 means its default.
type Config struct {
	// Priority is 0 to 61440 in steps of 4096 (9.2.5); the lowest is the root.
	Priority uint16
	// MAC makes the bridge id unique, and is the source of its BPDUs.
	MAC [6]byte
	// SystemIDExt tells trees of one bridge apart, for a tree per VLAN: 0 to
	// 4094, the lower 12 bits of the bridge id's priority field.
	SystemIDExt uint16

	// HelloTime is 1 or 2: a port that hears nothing for 3 seconds may take
	// itself for an edge (table 17-1).
	HelloTime int
	// MaxAge is 6 to 40, and at least 2 * (HelloTime + 1).
	MaxAge int
	// ForwardDelay is 4 to 30, and 2 * (ForwardDelay - 1) at least MaxAge.
	ForwardDelay int
	// TxHoldCount is 1 to 10: BPDUs a port may send at once, and then one a
	// second (17.13.12).
	TxHoldCount int

	// ForceSTP makes it an STP bridge that never does anything rapidly
	// (17.13.4, Force Protocol Version 0).
	ForceSTP bool
}

// withDefaults fills in what 0 stands for.
func (c Config) withDefaults() Config {
	for _, v := range []struct {
		value *int
		or    int
	}{
		{&c.HelloTime, DefaultHelloTime},
		{&c.MaxAge, DefaultMaxAge},
		{&c.ForwardDelay, DefaultForwardDelay},
		{&c.TxHoldCount, DefaultTxHoldCount},
	} {
		if *v.value == 0 {
			*v.value = v.or
		}
	}
	return c
}

// Check says what is wrong with c, by the ranges of table 17-1 and the
// relations of 17.14.
func (c Config) Check() error {
	c = c.withDefaults()
	if c.Priority%4096 != 0 {
		return fmt.Errorf("stp: bridge priority %d: must be 0 to 61440 in steps of 4096", c.Priority)
	}
	if c.SystemIDExt > 4094 {
		return fmt.Errorf("stp: system id extension %d: must be 0 to 4094", c.SystemIDExt)
	}
	for _, v := range []struct {
		name            string
		value, min, max int
	}{
		{"hello time", c.HelloTime, 1, 2},
		{"max age", c.MaxAge, 6, 40},
		{"forward delay", c.ForwardDelay, 4, 30},
		{"transmit hold count", c.TxHoldCount, 1, 10},
	} {
		if v.value < v.min || v.value > v.max {
			return fmt.Errorf("stp: %s %d: must be %d to %d", v.name, v.value, v.min, v.max)
		}
	}
	if need := 2 * (c.HelloTime + 1); c.MaxAge < need {
		return fmt.Errorf("stp: max age %d: must be at least 2 * (hello time + 1) = %d", c.MaxAge, need)
	}
	if most := 2 * (c.ForwardDelay - 1); c.MaxAge > most {
		return fmt.Errorf("stp: max age %d: must be at most 2 * (forward delay - 1) = %d", c.MaxAge, most)
	}
	return nil
}

// PortConfig says how a port behaves.
type PortConfig struct {
	// Cost of a path through the port: 1 to 200,000,000 (table 17-3); 0 means
	// DefaultCost.
	Cost uint32
	// Priority is 0 to 240 in steps of 16 (9.2.7); lower is preferred.
	Priority uint8
	// AdminEdge: no bridge is behind this port, so it may forward at once. It
	// stops being an edge with the first BPDU it hears (17.13.1).
	AdminEdge bool
	// AutoEdge: the port becomes an edge if it hears no BPDU for a while, 3
	// seconds on a point-to-point link (17.13.3).
	AutoEdge bool
	// PointToPoint: at most one other bridge is on the link (6.4.3). If that
	// is not so, loops are possible; without it nothing is rapid.
	PointToPoint bool
	// Guard disables the port when a BPDU comes, until ConfigurePort or
	// EnablePort is called (usually called BPDU guard).
	Guard bool
	// RootGuard keeps the port from becoming the root port: as long as it
	// hears of a better root, it blocks (restrictedRole of IEEE Std 802.1Q).
	RootGuard bool
}

func (c PortConfig) withDefaults() PortConfig {
	if c.Cost == 0 {
		c.Cost = DefaultCost
	}
	return c
}

// Check says what is wrong with c.
func (c PortConfig) Check() error {
	if c.Cost > 200_000_000 {
		return fmt.Errorf("stp: path cost %d: must be 1 to 200000000", c.Cost)
	}
	if c.Priority%16 != 0 {
		return fmt.Errorf("stp: port priority %d: must be 0 to 240 in steps of 16", c.Priority)
	}
	return nil
}
