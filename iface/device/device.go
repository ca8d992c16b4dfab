package device

import (
	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// Config describes a device. Descriptors are non-blocking.
type Config struct {
	// Fds are the queues of a tap, or one bound packet socket. The device
	// owns them if starting it succeeds.
	Fds []int
	// Shared: somebody else has the descriptor of a tap, too, and may make it block.
	// Then each call says that it must not (Linux 5.11).
	Shared bool
	// Shortcut forwards some of the device's frames: StartVeth. nil: nothing does.
	Shortcut Shortcut
	// MTU is the interface's, in bytes: frames that go out and do not fit it are
	// lost. One that is to be cut counts as what it is cut to.
	MTU int
	// Join says which port, and how it is set up; the rights and what frames
	// may be are the device's own.
	Join bus.JoinOptions
	// Ended is called once if the port ended otherwise than by Close: it was
	// removed, or what is behind the descriptors vanished. They are closed
	// then. It must not call Close. A packet socket cannot tell an interface
	// that was deleted from one that is down: its owner has to watch it.
	Ended func(reason string)
}

// Device is a port of a network whose frames come from and go to the kernel.
type Device struct {
	*lane.Endpoint
	fits     fits
	shortcut Shortcut   // nil: none
	punt     *puntQueue // its driver if it has a Shortcut
}

// fits tells the longest frame in bytes that may go out of an interface of that
// mtu, 0 for any, and the outermost tag that does not count.
type fits func(mtu int) (maxLen int, freeTags frame.Tags)

// join makes descriptors with their drivers a port of n, which sends and
// receives.
func join(n *bus.Network, c Config, fits fits, sources []lane.Source) (*Device, error) {
	o := c.Join
	o.Recv, o.Send, o.Offload = true, true, true
	o.MaxLen, o.FreeTags = fits(c.MTU)
	l := lane.Config{Sources: sources, Lossy: true, Ended: c.Ended}
	if c.Shortcut != nil {
		l.As = func(e *lane.Endpoint) bus.Endpoint { return shortened{e, c.Shortcut} }
	}
	e, err := lane.Start(n, l, o)
	if err != nil {
		return nil, err
	}
	return &Device{Endpoint: e, fits: fits, shortcut: c.Shortcut}, nil
}

// Port returns the device's port.
func (d *Device) Port() *bus.Port { return d.Conn().Port() }

// SetLink says whether the interface can pass frames: it is up and has a
// carrier.
func (d *Device) SetLink(up bool) {
	if d.punt != nil {
		d.punt.down.Store(!up)
	}
	d.Conn().SetLink(up)
}

// SetMTU changes Config.MTU.
func (d *Device) SetMTU(bytes int) {
	maxLen, _ := d.fits(bytes)
	d.Conn().SetMaxLen(maxLen)
	if d.shortcut != nil {
		d.shortcut.SetMaxLen(maxLen)
	}
}
