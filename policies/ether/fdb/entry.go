package fdb

import "encoding/binary"

// MaxPort is the largest port number; the smallest is 1.
const MaxPort = 1 << 16

// Key is a VLAN id (12 bits) and a MAC address in one word. No Key is 0: the
// bit above both is always set.
type Key uint64

const keyMark Key = 1 << 60

// MakeKey makes a Key of the lower 12 bits of vlan and of mac.
func MakeKey(vlan uint16, mac [6]byte) Key {
	return keyMark | Key(vlan&0xfff)<<48 |
		Key(binary.BigEndian.Uint32(mac[:4]))<<16 | Key(binary.BigEndian.Uint16(mac[4:]))
}

// VLAN returns the VLAN id.
func (k Key) VLAN() uint16 { return uint16(k>>48) & 0xfff }

// MAC returns the MAC address.
func (k Key) MAC() (mac [6]byte) {
	binary.BigEndian.PutUint32(mac[:4], uint32(k>>16))
	binary.BigEndian.PutUint16(mac[4:], uint16(k))
	return mac
}

// Entry is one line of the table as Entries shows it.
type Entry struct {
	VLAN   uint16
	MAC    [6]byte
	Port   int
	Age    uint32 // seconds since the last frame, up to the last Tick; 0 if Static
	Static bool
}

// place is what is known of a key, in one word: port-1 in bits 0 to 15, flags,
// some bits of the key, and the second of the last frame in bits 32 to 63. 0 is:
// nothing.
type place uint64

const (
	present place = 1 << 16 // so that no place is 0
	static  place = 1 << 17

	keyShift = 18
)

func makePlace(k Key, port int, stamp uint32) place {
	return place(stamp)<<32 | place(k.check())<<keyShift | present | place(uint16(port-1))
}

// check is 14 bits of a key, in which those differ that are likely to meet.
func (k Key) check() uint32 { return uint32(k^k>>48) & (1<<(32-keyShift) - 1) }

// of tells whether p is there and may be k's, and not another key's that has had
// the slot.
func (p place) of(k Key) bool {
	return uint32(p|static)>>16 == k.check()<<(keyShift-16)|uint32(present|static)>>16
}

func (p place) port() int      { return int(uint16(p)) + 1 }
func (p place) stamp() uint32  { return uint32(p >> 32) }
func (p place) isStatic() bool { return p&static != 0 }

// at tells whether p is there and names port.
func (p place) at(port int) bool {
	return uint32(p)&uint32(present|0xffff) == uint32(present)|uint32(uint16(port-1))
}

// restamped is p with another stamp.
func (p place) restamped(stamp uint32) place { return place(stamp)<<32 | p&(1<<32-1) }

// valid tells whether p is there and not older than horizon.
func (p place) valid(horizon uint32) bool { return p != 0 && !p.aged(horizon) }

// within tells whether p was heard in the last d seconds.
func (p place) within(d, now uint32) bool { return uint64(now) <= uint64(p.stamp())+uint64(d) }

// aged tells whether p, which is there, is older than horizon.
func (p place) aged(horizon uint32) bool { return p.stamp() < horizon && !p.isStatic() }
