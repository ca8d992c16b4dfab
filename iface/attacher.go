package iface

import (
	"strings"

	"ipnfs/bus"
	"ipnfs/iface/device"
	"ipnfs/iface/netns"
)

func init() {
	bus.RegisterAttacher("tap", &attacher{kind: "tap", device: device.Tap, open: openTap})
	bus.RegisterAttacher("grab", &attacher{kind: "grab", device: device.Packet, open: openGrab})
}

// attacher serves one file.
type attacher struct {
	kind   string
	device device.Kind
	// open takes hold of the interface that a command describes: it fills in
	// name, options, facts, fds, undo and holder, and claims its place. What is
	// filled in is given back also if it fails. ns is where the interface is.
	open func(c *caller, command string, a *attachment) (ns *netns.NS, err error)
}

// Attach is bus.Attacher's.
func (t *attacher) Attach(n *bus.Network, by bus.Caller, command string) error {
	a := &attachment{
		kind: t.kind, net: n, by: by.Info,
		ready: make(chan struct{}), done: make(chan struct{}),
	}
	ns, err := t.open(identify(by), command, a)
	if err == nil {
		err = a.start(t.device, ns)
	}
	if err != nil {
		a.end(detached)
		close(a.ready)
		<-a.done
	} else {
		a.undo = nil
		close(a.ready)
	}
	if ns != nil {
		ns.Close()
	}
	return err
}

// Detach is bus.Attacher's. It returns when nothing is left. If several
// interfaces have the name, in different namespaces, the caller's own is meant.
func (t *attacher) Detach(n *bus.Network, by bus.Caller, name string) error {
	a, err := t.find(n, by, name)
	if err != nil {
		return err
	}
	if by.UID != 0 && by.UID != a.by.UID {
		return bus.Errorf(bus.Denied, "%s was attached by uid %d: only he and root may take it off", name, a.by.UID)
	}
	a.end(detached)
	<-a.done
	return nil
}

func (t *attacher) find(n *bus.Network, by bus.Caller, name string) (*attachment, error) {
	var found, here []*attachment
	own, err := identify(by).ownNamespace()
	if err == nil {
		own.Close()
	}
	for _, a := range attachments(n, t.kind) {
		a.mu.Lock()
		if a.facts.Name == name {
			found = append(found, a)
			if err == nil && a.ns == own.ID() {
				here = append(here, a)
			}
		}
		a.mu.Unlock()
	}
	switch {
	case len(found) == 0:
		return nil, bus.Errorf(bus.Unknown, "%s is not attached here: cat %s lists what is", name, t.kind)
	case len(found) == 1:
		return found[0], nil
	case len(here) == 1:
		return here[0], nil
	}
	return nil, bus.Errorf(bus.Invalid, "%d interfaces are called %s: ip netns exec says which, or rmdir ports/%d", len(found), name, found[0].port())
}

// List is bus.Attacher's: NAME port=N state=up netns=NAME mac=MAC mtu=BYTES,
// and the options that are not the usual.
func (t *attacher) List(n *bus.Network) string {
	var lines []string
	names := netns.Names()
	for _, a := range attachments(n, t.kind) {
		lines = append(lines, a.line(names))
	}
	return strings.Join(lines, "\n")
}
