package stp

import (
	"cmp"
	"fmt"
	"math"
)

// BridgeID is a bridge identifier (9.2.5): 4 bits of priority, 12 of system id
// extension, 48 of MAC address. Lower is better.
type BridgeID uint64

func makeBridgeID(c Config) BridgeID {
	id := BridgeID(c.Priority | c.SystemIDExt)
	for _, octet := range c.MAC {
		id = id<<8 | BridgeID(octet)
	}
	return id
}

// Priority is the priority, without the system id extension.
func (id BridgeID) Priority() uint16 { return uint16(id>>48) &^ 0xfff }

// MAC is the address of the bridge.
func (id BridgeID) MAC() (mac [6]byte) {
	for i := range mac {
		mac[i] = byte(id >> (40 - 8*i))
	}
	return mac
}

// address is the part that never changes while the bridge runs.
func (id BridgeID) address() uint64 { return uint64(id) & (1<<48 - 1) }

// String writes the id as Linux does: 8000.525400123456.
func (id BridgeID) String() string {
	return fmt.Sprintf("%04x.%012x", uint64(id)>>48, id.address())
}

// PortID is a port identifier (9.2.7): 4 bits of priority, 12 of port number.
// Lower is better.
type PortID uint16

func makePortID(priority uint8, number int) PortID {
	return PortID(priority)<<8 | PortID(number)
}

// Number is the port number.
func (id PortID) Number() int { return int(id & 0xfff) }

// String writes the id as Linux does: 8001.
func (id PortID) String() string { return fmt.Sprintf("%04x", uint16(id)) }

// vector is a priority vector (17.5) without the receiving port, which only
// breaks ties in the choice of the root port.
type vector struct {
	root   BridgeID
	cost   uint32 // root path cost
	bridge BridgeID
	port   PortID
}

// compare is negative if v is better than w.
func (v vector) compare(w vector) int {
	return cmp.Or(
		cmp.Compare(v.root, w.root),
		cmp.Compare(v.cost, w.cost),
		cmp.Compare(v.bridge, w.bridge),
		cmp.Compare(v.port, w.port))
}

// sameSource tells whether both were sent by the same port of the same bridge,
// whatever its priorities are now.
func (v vector) sameSource(w vector) bool {
	return v.bridge.address() == w.bridge.address() && v.port.Number() == w.port.Number()
}

// superior tells whether a message of priority v replaces port information w:
// it is better, or news from the same port (17.6).
func (v vector) superior(w vector) bool {
	return v.compare(w) < 0 || v != w && v.sameSource(w)
}

// via is v as a path through a port of that cost. A cost that would overflow
// stays the worst there is, lest it become the best.
func (v vector) via(cost uint32) vector {
	if v.cost > math.MaxUint32-cost {
		v.cost = math.MaxUint32
	} else {
		v.cost += cost
	}
	return v
}

// times are the timer values that go with a vector (17.18, 17.19), in seconds.
type times struct {
	age    int // message age
	maxAge int
	hello  int
	delay  int // forward delay
}
