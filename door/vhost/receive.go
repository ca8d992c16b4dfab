package vhost

import (
	"encoding/binary"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
)

// Write is lane.Driver's: it copies frames into the ring by which the guest
// receives. Of what has no room there the guest is asked to tell when it has. Frames
// for a guest that does not run are lost.
func (d *device) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	r := &d.rx
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running && r.enabled {
		taken, err = d.deliver(t, frames)
	}
	if err != nil {
		return taken, err
	}
	for i := range frames[taken:] {
		t.Lost(&frames[taken+i])
	}
	return len(frames), nil
}

// deliver copies frames, the first of them if there is no room for all, and then
// the error is EAGAIN. If the ring breaks, the rest is left.
func (d *device) deliver(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	r := &d.rx
	defer r.guard(debug.SetPanicOnFault(true))
	r.quiet()
	for taken < len(frames) && r.running && err == nil {
		switch d.receive(&frames[taken]) {
		case delivered:
			taken++
		case lost:
			t.Lost(&frames[taken])
			taken++
		case noRoom:
			r.kick.take()
			if !r.listen(r.seen) {
				err = unix.EAGAIN
			}
		case broken:
		}
	}
	r.publish()
	return taken, err
}

// fate is what became of a frame for the guest.
type fate uint8

const (
	delivered fate = iota
	lost           // it is too long for the guest
	noRoom         // until the guest has more buffers
	broken         // the ring is
)

// receive gives the guest a frame, cut if it does not take it as it is.
func (d *device) receive(f *frame.Frame) fate {
	r := &d.rx
	h, unfinished := f.Offload()
	if unfinished && !takes(r.features, h) {
		return d.receiveCut(h, f.Data())
	}
	if !unfinished {
		h = vnet.Header{Flags: h.Flags & vnet.DataValid}
		if r.features&featGuestCsum == 0 {
			h.Flags = 0
		}
	}
	return r.put(h, f.Data())
}

// takes tells whether a guest takes such frames.
func takes(features uint64, h vnet.Header) bool {
	needs := uint64(0)
	if h.Flags&vnet.NeedsCsum != 0 {
		needs = featGuestCsum
	}
	if h.GSOType&vnet.ECN != 0 {
		needs |= featGuestECN
	}
	switch h.GSOType &^ vnet.ECN {
	case vnet.None:
	case vnet.TCP4:
		needs |= featGuestTSO4
	case vnet.TCP6:
		needs |= featGuestTSO6
	default:
		needs |= featUSO
	}
	return features&needs == needs
}

// receiveCut gives the guest the complete frames that a super-frame stands for. What
// finds no room behind the first one is lost, as at the end of a queue.
func (d *device) receiveCut(h vnet.Header, data []byte) fate {
	d.cut, d.lens = vnet.Append(d.cut[:0], d.lens[:0], h, data)
	at := 0
	for i, n := range d.lens {
		became := d.rx.put(vnet.Header{}, d.cut[at:at+n])
		switch {
		case became == delivered:
		case became == noRoom && i > 0:
			return lost
		default:
			return became
		}
		at += n
	}
	return delivered
}

// put copies a frame with its header into chains of the ring: one, or as many as it
// needs if the guest takes that.
func (r *ring) put(h vnet.Header, data []byte) fate {
	form := formOf(r.features)
	need := form.HeadLen() + len(data)
	r.pieces = r.pieces[:0]
	first, chains := r.next, uint16(0)
	for room := 0; room < need; chains++ {
		if r.next == r.seen {
			if !r.check(r.available()) {
				return broken
			}
			if r.next == r.seen {
				r.next = first
				if r.seen-first >= max(1, r.size/2) {
					return lost // the guest hardly ever has more
				}
				return noRoom
			}
		}
		if chains > 0 && r.features&featMergeable == 0 {
			r.next = first
			return lost
		}
		head := r.head()
		n, err := r.chain(head, descWrite, need-room)
		if err == nil && n == 0 {
			err = errRing("a chain of no bytes, where frames are to be received")
		}
		if !r.check(err) {
			return broken
		}
		r.use(chains, head, n)
		room += n
		r.next++
	}
	var header [frame.Headroom]byte
	h.Put(header[:])
	if form == frame.Vnet12 {
		binary.NativeEndian.PutUint16(header[vnet.HeaderLen:], chains)
	}
	r.fill(header[:form.HeadLen()], data)
	r.done += chains
	return delivered
}

// fill copies two pieces of bytes, one behind the other, to r.pieces.
func (r *ring) fill(header, data []byte) {
	for i := range r.pieces {
		to := r.pieces[i].bytes()
		n := copy(to, header)
		header = header[n:]
		data = data[copy(to[n:], data):]
	}
}
