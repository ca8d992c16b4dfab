package iface

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/iface/netns"
)

// caller is who wrote a command, and what he may do.
type caller struct {
	bus.Caller
	admin bool  // uid 0 with CAP_NET_ADMIN
	enter bool  // also with CAP_SYS_ADMIN, which setns(2) asks for
	gids  []int // supplementary groups
}

// identify asks /proc about the calling thread, which waits for us. One that
// cannot be asked, as it is outside our pid namespace, is known by its uid
// alone.
func identify(by bus.Caller) *caller {
	c := &caller{Caller: by}
	if by.Thread == 0 {
		c.admin = by.UID == 0
		c.enter = c.admin
		return c
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", by.Thread))
	if err != nil {
		return c
	}
	var effective uint64
	effective, c.gids = parseStatus(string(status))
	// In another user namespace even uid 0 has its capabilities only there.
	if by.UID == 0 && sameUserNamespace(by.Thread) {
		c.admin = effective&(1<<unix.CAP_NET_ADMIN) != 0
		c.enter = c.admin && effective&(1<<unix.CAP_SYS_ADMIN) != 0
	}
	return c
}

func sameUserNamespace(thread uint32) bool {
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/user", thread))
	if err != nil {
		return false
	}
	ours, err := os.Stat("/proc/thread-self/ns/user")
	return err == nil && os.SameFile(theirs, ours)
}

// parseStatus reads the effective capabilities and the supplementary groups
// in /proc/TID/status.
func parseStatus(status string) (effective uint64, gids []int) {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "CapEff":
			effective, _ = strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		case "Groups":
			for _, word := range strings.Fields(value) {
				if gid, err := strconv.ParseUint(word, 10, 32); err == nil {
					gids = append(gids, int(gid))
				}
			}
		}
	}
	return effective, gids
}

// need refuses what only an administrator of networks may do.
func (c *caller) need(what string) error {
	switch {
	case c.admin:
		return nil
	case c.UID == 0:
		return bus.Errorf(bus.Denied, "%s takes CAP_NET_ADMIN, which uid 0 does not have here", what)
	}
	return bus.Errorf(bus.Denied, "%s takes root: uid %d may only attach a tap that exists in his own network namespace and is his (ip tuntap add mode tap user %d)", what, c.UID, c.UID)
}

// namespace returns the namespace that where means, or, if that is empty, the
// caller's own.
func (c *caller) namespace(where string) (*netns.NS, error) {
	if where == "" {
		return c.ownNamespace()
	}
	if err := c.need("netns="); err != nil {
		return nil, err
	}
	ns, err := netns.Find(c.Thread, where)
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
	return nil, bus.Errorf(bus.Denied, "netns=%s: another namespace than one's own takes CAP_SYS_ADMIN", where)
}

func (c *caller) ownNamespace() (*netns.NS, error) {
	if c.Thread == 0 {
		return nil, bus.Errorf(bus.Denied, "the calling process, and so its network namespace, is unknown: say netns=NAME")
	}
	ns, err := netns.OfThread(c.Thread)
	if err != nil {
		return nil, refuse(err, "the network namespace of thread %d", c.Thread)
	}
	return ns, nil
}
