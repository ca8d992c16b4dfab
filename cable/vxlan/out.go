package vxlan

import "ipnfs/lane/udp"

// lookup is an answer of the table.
type lookup struct {
	station uint64
	to      udp.Addr
	known   bool
	asked   bool
}

// Route is udp.Router's.
func (k *link) Route(data []byte) (to []udp.Addr, tos uint8) {
	if len(data) < minFrame {
		return nil, 0
	}
	tos = ecnOf(data)
	if k.table == nil {
		return k.flood, tos
	}
	if to := station(data); !k.last.asked || to != k.last.station {
		k.last = lookup{station: to, asked: true}
		k.last.to, k.last.known = k.table.find(to)
	}
	if !k.last.known {
		return k.flood, tos
	}
	k.one[0] = k.last.to
	return k.one[:], tos
}
