package iface

import (
	"strings"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/device"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
)

func init() {
	register("the taps that are ports of the network", haveTun,
		&attacher{kind: "tap", start: device.StartTap, open: openTap})
	register("the ends of veth pairs that are ports of the network", havePlane,
		&attacher{kind: "veth", start: startVeth, open: openVeth})
	register("the other network interfaces that are ports of the network", nil,
		&attacher{kind: "grab", start: startGrab, open: openGrab})
}

func register(summary string, can func() bool, a *attacher) {
	bus.RegisterFile(bus.File{
		Place: bus.InNetwork, Name: a.kind, Summary: summary, Rule: bus.Managed, Set: a, Can: can,
	})
}

// haveTun tells whether taps can be made.
func haveTun() bool { return unix.Access("/dev/net/tun", unix.F_OK) == nil }

// attacher serves one file, tap, veth or grab of a network.
type attacher struct {
	kind  string
	start startDevice
	// open takes hold of the interface that a command describes: it fills in
	// name, options, facts, fds, undo and holder, and claims its place. What is
	// filled in is given back also if it fails. ns is where the interface is.
	open func(c *caller, command string, a *attachment) (ns *netns.NS, err error)
}

var _ bus.Attacher = (*attacher)(nil)

// Attach is bus.Attacher's.
func (t *attacher) Attach(n *bus.Network, by bus.Caller, command string) error {
	a := &attachment{
		kind: t.kind, command: command, net: n, by: by.Info,
		ready: make(chan struct{}), done: make(chan struct{}),
	}
	c := identify(by)
	defer c.takeTurn()()
	ns, err := t.open(c, command, a)
	if err == nil {
		err = a.start(t.start, ns)
	}
	if err != nil {
		a.end(detached)
		close(a.ready)
		<-a.done
	} else {
		a.undo = nil
		a.guard(ns.ID())
		close(a.ready)
	}
	if ns != nil {
		ns.Close()
	}
	return err
}

// admit refuses what the network would, before anything is opened or made, and
// keeps o for start.
func (a *attachment) admit(o bus.JoinOptions) error {
	o.Info = a.by
	a.join = o
	return a.net.CanJoin(o)
}

// enter returns the namespace that a command means, and admits the port. ns is also
// returned if that is refused.
func (a *attachment) enter(c *caller, where string, port bus.JoinOptions) (ns *netns.NS, err error) {
	if ns, err = c.namespace(where); err != nil {
		return nil, err
	}
	return ns, a.admit(port)
}

// Detach is bus.Attacher's. It returns when nothing is left. If several
// interfaces have the name, in different namespaces, the caller's own is meant.
func (t *attacher) Detach(n *bus.Network, by bus.Caller, command string) error {
	name, where, err := parseDetach(command)
	if err != nil {
		return err
	}
	c := identify(by)
	defer c.takeTurn()()
	a, err := t.find(n, c, name, where)
	if err != nil {
		return err
	}
	if by.UID != 0 && by.UID != a.by.UID {
		return fail.Errorf(fail.Denied, "%s was attached by uid %d: only he and root may take it off", name, a.by.UID)
	}
	a.end(detached)
	<-a.done
	return nil
}

// find finds what is attached by the name of its interface, in the namespace
// where if that is not empty.
func (t *attacher) find(n *bus.Network, c *caller, name, where string) (*attachment, error) {
	all := attachments(n, t.kind)
	if len(all) == 0 {
		return nil, fail.Errorf(fail.Unknown, "%s is not attached here: nothing is", name)
	}
	var found, here []*attachment
	index := 0 // of the interface there that has the name now
	ns, err := c.namespace(where)
	if err == nil {
		if f, err := link.Get(ns, name); err == nil {
			index = f.Index
		}
		ns.Close()
	} else if where != "" {
		return nil, err
	}
	for _, a := range all {
		a.mu.Lock()
		there := err == nil && !a.away && a.ns == ns.ID()
		if a.facts.Called(name) || there && a.facts.Index == index {
			found = append(found, a)
			if there {
				here = append(here, a)
			}
		}
		a.mu.Unlock()
	}
	switch {
	case len(here) == 1:
		return here[0], nil
	case where != "" && len(found) > 0:
		return nil, fail.Errorf(fail.Unknown, "%s of netns=%s is not attached here: cat %s lists what is", name, where, t.kind)
	case len(found) == 0:
		return nil, fail.Errorf(fail.Unknown, "%s is not attached here: cat %s lists what is", name, t.kind)
	case len(found) == 1:
		return found[0], nil
	}
	return nil, fail.Errorf(fail.Invalid, "%d interfaces are called %s: say netns=WHERE behind the name, or rmdir ports/%d", len(found), name, found[0].port())
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
