package link

import (
	"encoding/binary"
	"iter"
	"net"
	"strings"

	"golang.org/x/sys/unix"
)

// native is the byte order of rtnetlink.
var native = binary.NativeEndian

// parse reads an RTM_NEWLINK message, without its header. It returns false if
// that does not describe an interface as a whole: bridges and wireless drivers
// send such ones too.
func parse(b []byte) (f Facts, ok bool) {
	if len(b) < unix.SizeofIfInfomsg || b[0] != unix.AF_UNSPEC {
		return f, false
	}
	flags := native.Uint32(b[8:])
	f.Index = int(native.Uint32(b[4:]))
	f.Ethernet = native.Uint16(b[2:]) == unix.ARPHRD_ETHER
	f.Loopback = flags&unix.IFF_LOOPBACK != 0
	f.Up = flags&unix.IFF_UP != 0
	f.Carrier = f.Up && flags&unix.IFF_LOWER_UP != 0
	f.Tun.Owner, f.Tun.Group = Nobody, Nobody
	f.PeerNS = own
	for kind, v := range attributes(b[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_IFNAME:
			f.Name = text(v)
		case unix.IFLA_PROP_LIST:
			for kind, v := range attributes(v) {
				if kind == unix.IFLA_ALT_IFNAME {
					f.AltNames = append(f.AltNames, text(v))
				}
			}
		case unix.IFLA_ADDRESS:
			f.MAC = net.HardwareAddr(strings.Clone(string(v)))
		case unix.IFLA_MTU:
			f.MTU = int(number(v))
		case unix.IFLA_MASTER:
			f.Master = int(number(v))
		case unix.IFLA_LINK:
			f.Peer = int(number(v))
		case unix.IFLA_LINK_NETNSID:
			f.PeerNS = int(int32(number(v)))
		case unix.IFLA_LINKINFO:
			f.parseInfo(v)
		}
	}
	return f, f.Index > 0 && f.Name != "" && f.MTU > 0
}

func (f *Facts) parseInfo(b []byte) {
	var data []byte
	for kind, v := range attributes(b) {
		switch kind {
		case unix.IFLA_INFO_KIND:
			f.Kind = text(v)
		case unix.IFLA_INFO_DATA:
			data = v
		}
	}
	if f.Kind == "tun" {
		f.Tun.parse(data)
	}
}

func (t *Tun) parse(b []byte) {
	for kind, v := range attributes(b) {
		switch kind {
		case unix.IFLA_TUN_OWNER:
			t.Owner = number(v)
		case unix.IFLA_TUN_GROUP:
			t.Group = number(v)
		case unix.IFLA_TUN_TYPE:
			t.Tap = number(v) == unix.IFF_TAP
		case unix.IFLA_TUN_PERSIST:
			t.Persist = number(v) != 0
		case unix.IFLA_TUN_MULTI_QUEUE:
			t.MultiQueue = number(v) != 0
		case unix.IFLA_TUN_NUM_QUEUES, unix.IFLA_TUN_NUM_DISABLED_QUEUES:
			t.Queues += int(number(v))
		}
	}
}

// attributes goes through a list of rtnetlink attributes, up to its end or to
// one that cannot be right.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			n := int(native.Uint16(b))
			if n < unix.SizeofRtAttr || n > len(b) {
				return
			}
			kind := native.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.SizeofRtAttr:n]) {
				return
			}
			aligned := (n + unix.RTA_ALIGNTO - 1) &^ (unix.RTA_ALIGNTO - 1)
			b = b[min(aligned, len(b)):]
		}
	}
}

// number reads an attribute of one or four bytes; any other is 0.
func number(v []byte) uint32 {
	switch len(v) {
	case 1:
		return uint32(v[0])
	case 4:
		return native.Uint32(v)
	}
	return 0
}

// text reads an attribute that is a string, with or without its end.
func text(v []byte) string {
	s, _, _ := strings.Cut(string(v), "\x00")
	return s
}

// parseLeft reads an RTM_DELLINK message.
func parseLeft(b []byte) (index int, moved, ok bool) {
	if len(b) < unix.SizeofIfInfomsg || b[0] != unix.AF_UNSPEC {
		return 0, false, false // it only left its bridge
	}
	for kind := range attributes(b[unix.SizeofIfInfomsg:]) {
		moved = moved || kind == unix.IFLA_NEW_NETNSID
	}
	return int(native.Uint32(b[4:])), moved, true
}

// parseNSID reads the id in an RTM_DELNSID message.
func parseNSID(b []byte) (id int, ok bool) {
	const header = 4 // struct rtgenmsg, aligned
	if len(b) < header {
		return 0, false
	}
	for kind, v := range attributes(b[header:]) {
		if kind == unix.NETNSA_NSID && len(v) == 4 {
			return int(int32(number(v))), true
		}
	}
	return 0, false
}
