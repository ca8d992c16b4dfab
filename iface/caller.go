package iface

import (
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
)

// caller is who wrote a command, and what he may do.
type caller struct {
	bus.Caller
	admin bool // uid 0 with CAP_NET_ADMIN
	enter bool // also with CAP_SYS_ADMIN, which setns(2) asks for
}

// identify tells what the rights of a caller mean here. One that is unknown
// has none: uid 0 of another container may have lost what makes it root.
func identify(by bus.Caller) *caller {
	c := &caller{Caller: by}
	c.admin = by.UID == 0 && by.Rights.Can(unix.CAP_NET_ADMIN)
	c.enter = c.admin && by.Rights.Can(unix.CAP_SYS_ADMIN)
	return c
}

// need refuses what only an administrator of networks may do.
func (c *caller) need(what string) error {
	switch {
	case c.admin:
		return nil
	case !c.Rights.Known:
		return fail.Errorf(fail.Denied, "%s takes root, and what this process may do is unknown: %s", what, unseen)
	case c.UID == 0:
		return fail.Errorf(fail.Denied, "%s takes CAP_NET_ADMIN, which uid 0 does not have here", what)
	}
	return fail.Errorf(fail.Denied, "%s takes root: uid %d may only attach a tap that exists in his own network namespace and is his (ip tuntap add mode tap user %d)", what, c.UID, c.UID)
}

// unseen is why a caller is unknown, and what helps.
const unseen = "it wrote, or opened the file, in a pid namespace that ipnfs does not see: write from one that it sees, or mount there"

// namespace returns the namespace that where means, or, if that is empty, the
// caller's own.
func (c *caller) namespace(where string) (*netns.NS, error) {
	if where == "" {
		return c.ownNamespace()
	}
	if err := c.need("netns="); err != nil {
		return nil, err
	}
	ns, err := netns.Find(c.Rights.Thread, where)
	if err != nil || c.enter {
		return ns, err
	}
	if own, err := c.ownNamespace(); err == nil {
		own.Close()
		if own.ID() == ns.ID() {
			return ns, nil
		}
	}
	ns.Close()
	return nil, fail.Errorf(fail.Denied, "netns=%s: another namespace than one's own takes CAP_SYS_ADMIN", where)
}

func (c *caller) ownNamespace() (*netns.NS, error) {
	if c.Rights.Thread == 0 {
		return nil, fail.Errorf(fail.Denied, "the network namespace of this process is unknown: %s", unseen)
	}
	ns, err := netns.OfThread(c.Rights.Thread)
	if err != nil {
		return nil, refuse(err, "the network namespace of thread %d", c.Rights.Thread)
	}
	return ns, nil
}
