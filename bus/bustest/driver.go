package bustest

import (
	"fmt"
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
)

// Driver is an endpoint like a socket or a device that speaks a form: VDE's or
// QEMU's stream, VXLAN's datagrams, the frames of a tap or of vhost-user.
type Driver struct {
	attached
	Form frame.Form
	VNI  uint32 // of VXLAN

	mu      sync.Mutex
	written [][]byte
	rest    []byte // of a stream: the beginning of a frame
}

var _ bus.Endpoint = (*Driver)(nil)

// Claim claims everything.
func (*Driver) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Emit writes the frames to the peer, each with its head in front.
func (d *Driver) Emit(b *frame.Batch, i, j int, _ uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := i; k < j; k++ {
		f := &b.Frames[k]
		raw, ok := f.In(d.Form)
		if d.Form == frame.VXLAN || !ok { // VXLAN: it may be of another network
			raw = make([]byte, d.Form.HeadLen())
			if !f.PutHead(raw, d.Form, d.VNI) {
				d.Conn().Lost(1, f.Len())
				continue
			}
			raw = append(raw, f.Data()...)
		} else {
			raw = append([]byte(nil), raw...)
		}
		d.written = append(d.written, raw)
	}
}

// Written returns what came so far, a piece a frame.
func (d *Driver) Written() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte(nil), d.written...)
}

// Receive sends on what the peer wrote: a piece of a stream, cut anywhere, or
// one frame with its head. An error is what a real driver ends the connection
// for, or drops the frame; a frame of the stream is at most mtu bytes long.
func (d *Driver) Receive(raw []byte, mtu int) error {
	lent := append(append([]byte(nil), d.rest...), raw...)
	defer poison(lent)
	var b bus.Batch
	defer b.Reset()
	data := lent[min(d.Form.HeadLen(), len(lent)):]
	switch d.Form {
	case frame.Length2, frame.Length4, frame.Hops4:
		used, tooLong := 0, false
		for n := 1; n > 0 && !tooLong; used += n {
			n, tooLong = b.SetStreamIn(d.Form, lent[used:], mtu)
			d.Conn().Send(&b)
		}
		d.rest = append([]byte(nil), lent[used:]...)
		if tooLong {
			return fmt.Errorf("a frame is longer than %d bytes", mtu)
		}
		return nil
	case frame.VXLAN:
		if vni, ok := frame.ParseVXLAN(lent); !ok || vni != d.VNI {
			return fmt.Errorf("no VXLAN of network %d: %x", d.VNI, raw)
		}
	case frame.Vnet10, frame.Vnet12:
		if len(lent) < d.Form.HeadLen() {
			return fmt.Errorf("no header: %x", raw)
		}
		if err := vnet.Check(vnet.Parse(lent), data); err != nil {
			return err
		}
		if d.Form == frame.Vnet12 {
			frame.PutBuffers(lent)
		}
	}
	if len(data) == 0 {
		return fmt.Errorf("no frame: %x", raw)
	}
	b.AddIn(d.Form, lent)
	d.Conn().Send(&b)
	return nil
}
