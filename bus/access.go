package bus

// What a class may do on a network, of the bits that its mode gives it.
const (
	MayReceive uint32 = 0o4
	MaySend    uint32 = 0o2
	MayManage  uint32 = 0o1
)

// The capabilities that override modes (capabilities(7), linux/capability.h).
const (
	capDACOverride   = 1
	capDACReadSearch = 2
)

// DoorOf gives the rights on the door of a new network whose directory has those of
// dir: its maker manages it.
func DoorOf(dir Access) Access {
	dir.Mode = dir.Mode&0o666 | 0o100
	return dir
}

// Allows tells whether a grants c all that want says, as the kernel does for a
// file of that mode (generic_permission): the owner has the owner's bits, and
// those only; a member of the group has the group's; others have the last. Who
// has CAP_DAC_OVERRIDE may all, but MayManage only if somebody has it, and with
// CAP_DAC_READ_SEARCH one may receive.
//
// It is for callers whom the kernel has not judged: those who come by a socket,
// and what follows from the rights on another file than was opened.
func (a Access) Allows(c Credentials, want uint32) bool {
	has := a.Mode
	switch {
	case c.UID == a.UID:
		has >>= 6
	case c.in(int(a.GID)):
		has >>= 3
	}
	switch {
	case has&want == want:
		return true
	case want == MayReceive && c.Can(capDACReadSearch):
		return true
	}
	return c.Can(capDACOverride) && (want&MayManage == 0 || a.Mode&0o111 != 0)
}

// AllowsSearch tells whether c may reach what is in a directory of a, as the kernel
// does: x, or either capability.
func (a Access) AllowsSearch(c Credentials) bool {
	return a.Allows(c, MayManage) || c.Can(capDACOverride) || c.Can(capDACReadSearch)
}
