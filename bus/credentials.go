package bus

import (
	"slices"

	"ipnfs/bus/fail"
)

// Credentials are what a caller may do, kept as one value: his ids, capabilities
// and namespaces. Package creds asks the kernel for them.
type Credentials struct {
	UID, GID uint32
	Groups   []int // supplementary groups
	// Effective are the effective capabilities, a bit each (capabilities(7)).
	// Those that count in another user namespace than ours are none.
	Effective uint64
	// Thread is the thread that makes the call, whose namespaces /proc knows; 0 if
	// they cannot be told. Its /proc entry stays its own until the call is
	// answered.
	Thread uint32
	// Known is false if the caller could not be asked: he is outside our pid
	// namespace, or that of /proc is another. Effective and Thread are empty then,
	// and Groups, too, but of the peer of a socket.
	Known bool
}

// Can tells whether the capability of that number is effective.
func (c Credentials) Can(capability int) bool { return c.Effective&(1<<capability) != 0 }

// Under returns what c may still do with a file that opener opened: what both
// may. So a program is not lent the rights of another by being given its open
// file, or by giving it one, as for /proc/PID/uid_map.
func (c Credentials) Under(opener Credentials) (Credentials, error) {
	switch {
	case c.UID != opener.UID:
		return c, fail.Errorf(fail.Denied, "the file was opened by uid %d: who writes must open it himself", opener.UID)
	case !opener.in(int(c.GID)):
		return c, fail.Errorf(fail.Denied, "the file was opened by gid %d, without gid %d: who writes must open it himself", opener.GID, c.GID)
	}
	groups := slices.Clone(c.Groups)
	c.Groups = slices.DeleteFunc(groups, func(gid int) bool { return !opener.in(gid) })
	c.Effective &= opener.Effective
	if c.Known = c.Known && opener.Known; !c.Known {
		c.Thread = 0
	}
	return c, nil
}

// in tells whether gid is one of c's groups.
func (c Credentials) in(gid int) bool {
	return int(c.GID) == gid || slices.Contains(c.Groups, gid)
}
