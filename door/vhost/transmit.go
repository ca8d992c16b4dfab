package vhost

import (
	"runtime/debug"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
)

// minFrame is the length in bytes of an ethernet header.
const minFrame = 14

// Read is lane.Driver's: it copies frames out of the ring by which the guest
// transmits. While there are more the guest is not asked to kick.
func (d *device) Read(t *lane.Turn, room int) (frames int, err error) {
	r := &d.tx
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running || r.listening {
		r.kick.take()
	}
	if r.running {
		frames, err = d.collect(t, room)
	}
	if err == nil { // also if the ring broke: the port stays
		err = unix.EAGAIN
	}
	return frames, err
}

// collect copies frames out of the ring. If that breaks, those before it count.
func (d *device) collect(t *lane.Turn, room int) (frames int, err error) {
	r := &d.tx
	defer r.guard(debug.SetPanicOnFault(true))
	r.quiet()
	for frames < room && r.running {
		if r.next == r.seen {
			if !r.check(r.available()) || r.next == r.seen {
				break
			}
		}
		if r.check(d.transmit(t, t.Buffer(frames))) {
			frames++
		}
	}
	r.publish()
	if r.running && (r.next != r.seen || r.listen(r.next)) {
		err = lane.ErrMore
	}
	return frames, err
}

// transmit copies the next frame to b, and gives its chain back.
func (d *device) transmit(t *lane.Turn, b []byte) error {
	r := &d.tx
	head := r.head()
	r.pieces = r.pieces[:0]
	n, err := r.chain(head, 0, len(b)+1)
	if err != nil {
		return err
	}
	form := formOf(r.features)
	bytes := n - form.HeadLen()
	switch {
	case !r.enabled: // vhost-user: it has no effect
	case bytes < minFrame || n > len(b):
		t.Drop(frame.DropMalformed, max(0, bytes))
	case d.mute:
		t.Drop(frame.DropFiltered, bytes)
	default:
		at := 0
		for i := range r.pieces {
			at += copy(b[at:], r.pieces[i].bytes())
		}
		b = b[:n]
		if vnet.Check(vnet.Parse(b), b[form.HeadLen():]) != nil {
			t.Drop(frame.DropMalformed, bytes)
			break
		}
		if form == frame.Vnet12 {
			frame.PutBuffers(b)
		}
		t.Batch.AddIn(form, b)
	}
	r.use(0, head, 0)
	r.next++
	r.done++
	return nil
}

// formOf tells which header stands in front of frames.
func formOf(features uint64) frame.Form {
	if features&(featMergeable|featVersion1) != 0 {
		return frame.Vnet12
	}
	return frame.Vnet10
}
