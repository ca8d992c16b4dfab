package cable

import (
	"errors"
	"sync"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
	"ipnfs/lane"
	"ipnfs/words"
)

// cableCost is what a cable takes in bytes besides its port: a goroutine, buffers,
// what it remembers.
const cableCost = 16 << 10

// firstWait is how long a command waits for the first link, so that who looks at once
// sees what came of it.
var firstWait = time.Second

// openPatience is how long a scheme may take to open, as files that it reads may be of a
// file system that never answers.
var openPatience = bus.Patience

// cable is one cable of a network. Its end comes from Detach or from its port,
// whichever is first.
type cable struct {
	net     *bus.Network
	name    string
	group   string
	maxLen  int
	hops    bool // Scheme.Hops
	locator words.Locator
	origin  *Origin
	dialer  Dialer
	info    bus.Info

	line *line // nil: an Owner's
	end  Endpoint
	plug *Plug

	unguard func() // ends the guard of the namespace; nil: it has not begun

	first  chan struct{} // closed when the first attempt has succeeded or failed
	ready  chan struct{} // closed when attaching has succeeded or failed
	served chan struct{} // closed when supervise has returned
	done   chan struct{} // closed when nothing is left

	charged bool   // cableCost; of who attaches and who undoes it
	leave   func() // its side; nil: it is in none. As charged

	// +checklocks:registry.mu
	ended bool
	// +checklocks:registry.mu
	joined joined // that it has claimed

	mu sync.Mutex
	// +checklocks:mu
	link *link // that is up
	// +checklocks:mu
	status status
}

// open makes what connects a cable. Nothing has changed if it fails.
func open(n *bus.Network, by bus.Caller, line string) (*cable, error) {
	cmd, err := parse(line)
	if err != nil {
		return nil, err
	}
	o, err := newOrigin(by, cmd.netns)
	if err != nil {
		return nil, err
	}
	c := &cable{
		net: n, name: cmd.name, group: cmd.group, maxLen: cmd.maxLen, hops: cmd.scheme.Hops, locator: cmd.locator, origin: o,
		first: make(chan struct{}), ready: make(chan struct{}), served: make(chan struct{}), done: make(chan struct{}),
		status: status{state: "connecting", since: time.Now()},
	}
	if c.dialer, err = openDialer(cmd, o); err != nil {
		o.close()
		return nil, err
	}
	c.plug = &Plug{cable: c}
	if err := c.start(by, cmd.port); err != nil {
		c.retire()
		close(c.ready)
		if c.end != nil {
			c.end.Close()
		}
		c.undo()
		return nil, err
	}
	c.unguard = netns.Guard(o.ns.ID(), func() { go c.finish(errAbandoned) })
	close(c.ready)
	go c.supervise()
	return c, nil
}

// openDialer lets the scheme read the locator.
func openDialer(cmd *command, o *Origin) (Dialer, error) {
	late := time.AfterFunc(openPatience, o.end)
	d, err := cmd.scheme.Open(cmd.locator, o)
	if !late.Stop() && err == nil {
		d.Close()
		err = errEnded
	}
	return d, err
}

// start makes c a port of its network.
func (c *cable) start(by bus.Caller, o bus.JoinOptions) error {
	if !c.net.Memory().ChargeTable(cableCost) {
		return fail.Errorf(fail.NoMemory, "there is no memory for one more cable: see mem")
	}
	c.charged = true
	if err := c.publish(); err != nil {
		return err
	}
	o.Recv, o.Send, o.Hops = true, true, c.hops
	o.Info = by.Info
	o.Info.Kind, o.Info.Detail, o.Info.Since = "cable", c.name, time.Now()
	c.info = o.Info
	if err := c.join(o); err != nil {
		return err
	}
	c.setLink(false)
	var err error
	c.leave, err = stand(c.port(), c.group)
	return err
}

// join makes the endpoint of the port.
func (c *cable) join(o bus.JoinOptions) (err error) {
	ended := func(string) { go c.finish(nil) }
	if owner, ok := c.dialer.(Owner); ok {
		o.Offload, o.Hops = true, true
		c.end, err = owner.Endpoint(c.plug, ended)
		if err == nil {
			_, err = c.net.Join(c.end, o)
		}
		return err
	}
	if c.line, err = newLine(); err != nil {
		return refuse(err, "a descriptor")
	}
	e, err := lane.New(lane.Config{Sources: []lane.Source{c.line.source()}, Ended: ended})
	if err != nil {
		c.line.Close()
		return err
	}
	c.line.port = e
	c.end = newAnswers(e)
	if _, err = c.net.Join(c.end, o); err == nil {
		e.Serve()
	}
	return err
}

func (c *cable) port() *bus.Port { return c.end.Conn().Port() }

func (c *cable) setLink(up bool) { c.end.Conn().SetLink(up) }

// errAbandoned is why a cable ends whose network namespace nobody else keeps alive.
var errAbandoned = errors.New("its network namespace is gone")

// finish ends c, if nobody else does, and waits until nothing is left. People are told
// of a reason that they do not know.
func (c *cable) finish(why error) {
	<-c.ready
	if c.retire() {
		if why != nil {
			c.down(why)
		}
		c.origin.end()
		c.end.Close()
		<-c.served
		c.undo()
	}
	<-c.done
}

// undo gives back what c holds besides its port.
func (c *cable) undo() {
	if c.unguard != nil {
		c.unguard()
	}
	c.dialer.Close()
	c.origin.close()
	if c.leave != nil {
		c.leave()
	}
	if c.charged {
		c.net.Memory().RefundTable(cableCost)
	}
	c.forget()
}
