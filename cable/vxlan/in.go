package vxlan

import (
	"encoding/binary"

	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/udp"
)

// open takes the frames out of a run, which add adds, as the next run may go on where
// this one ends. It tells how many it has added already.
func (k *link) open(t *lane.Turn, run *udp.Run) (added int) {
	if run.From != k.from {
		k.from, k.allowed = run.From, k.anybody || k.peers[run.From.WithPort(0)]
	}
	datagram := 0
	if whole(run) {
		added = k.add(t, 0)
		datagram, run.Size = run.Size, len(run.Data)
	}
	for more := true; more; more = len(run.Data) > 0 {
		d := run.Next()
		if data, why := k.strip(d, run); why != 0 {
			t.Drop(why, len(d))
		} else {
			k.frames = append(k.frames, data)
		}
	}
	if datagram > 0 {
		added += k.add(t, datagram)
	}
	return added
}

// add adds what was taken out of runs to the batch of t, and tells how many frames that
// are. datagram is the gso_size of a super-frame that is alone.
func (k *link) add(t *lane.Turn, datagram int) (added int) {
	added = udp.Add(t, k.frames, udp.Wire{Longest: int(k.longest.Load()), Datagram: datagram})
	k.frames = k.frames[:0]
	return added
}

// strip returns the frame in a datagram of a run, or why there is none to be taken.
func (k *link) strip(d []byte, run *udp.Run) (data []byte, why frame.Drop) {
	vni, ok := frame.ParseVXLAN(d)
	switch {
	case run.Cut || !ok || len(d) < headLen+minFrame:
		return nil, frame.DropMalformed
	case !k.allowed || vni != k.vni:
		return nil, frame.DropFiltered
	}
	data = d[headLen:]
	if !decapsulate(data, run.TOS) {
		return nil, frame.DropMalformed
	}
	if k.table != nil {
		k.learn(data, run.From)
	}
	return data, 0
}

// whole tells whether a run is no run, but one super-frame of UDP that a vxlan device of
// this machine has sent, of which the kernel tells the size of the inner datagrams: its
// first packet says that it is as long as all.
func whole(run *udp.Run) bool {
	if run.Size >= len(run.Data) || run.Size < headLen+minFrame {
		return false
	}
	data := run.Data[headLen:]
	etherType, ip := network(run.Data[headLen:run.Size])
	switch length := len(data) - ip; {
	case etherType == typeIPv4 && ip+ipv4Len <= len(data):
		return int(binary.BigEndian.Uint16(data[ip+2:])) == length
	case etherType == typeIPv6 && ip+ipv6Len <= len(data):
		return int(binary.BigEndian.Uint16(data[ip+4:])) == length-ipv6Len
	}
	return false
}

// learned is a station and where it was last heard of, so that the table is not asked for
// each frame.
type learned struct {
	station uint64
	from    udp.Addr
	round   uint32
}

// learn notes who sent a frame, and from where. The port that a peer sends from is not the
// one to send to.
func (k *link) learn(data []byte, from udp.Addr) {
	const group = 1 << 40 // in the first byte of an address (IEEE 802, 8.2)
	l := learned{station: station(data[6:]), from: from.WithPort(k.port), round: k.table.round.Load()}
	if l == k.met || l.station&group != 0 || l.station == 0 {
		return
	}
	k.met = l
	k.table.learn(l)
}
