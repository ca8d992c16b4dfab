package creds

import (
	"os"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// keep leaves an id as it is, for setresuid(2) and setresgid(2).
const keep = ^uintptr(0)

// Assume gives the calling thread, and no other, a caller's rights: his effective
// user and group, his supplementary groups, and his capabilities as far as this
// process has them. The thread must not be used for anything else afterwards: see
// OnOwnThread. Its real ids stay, so that the caller can neither signal nor trace it. A
// process that is not root can only act for itself.
func Assume(c bus.Credentials) error {
	if us := os.Geteuid(); us != 0 {
		if uint32(us) == c.UID {
			return nil // whatever rights we have are his
		}
		return fail.Errorf(fail.Denied, "ipnfs runs as uid %d and cannot act for uid %d", us, c.UID)
	}
	if err := takeOn(c); err != nil {
		return fail.Errorf(fail.Denied, "acting for uid %d: %v", c.UID, err)
	}
	if unix.Geteuid() != int(c.UID) || unix.Getegid() != int(c.GID) {
		return fail.Errorf(fail.Denied, "the credentials of uid %d were not taken on", c.UID)
	}
	return nil
}

// takeOn makes raw system calls, which are the thread's: those of package
// syscall would change all threads.
func takeOn(c bus.Credentials) error {
	if err := unix.Setgroups(c.Groups); err != nil { // raw, too
		return os.NewSyscallError("setgroups", err)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, keep, uintptr(c.GID), keep); errno != 0 {
		return os.NewSyscallError("setresgid", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(c.UID), keep); errno != 0 {
		return os.NewSyscallError("setresuid", errno)
	}
	// The kernel has cleared the effective capabilities, unless the process
	// told it not to (PR_SET_SECUREBITS).
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	caps[0].Effective = caps[0].Permitted & uint32(c.Effective)
	caps[1].Effective = caps[1].Permitted & uint32(c.Effective>>32)
	return os.NewSyscallError("capset", unix.Capset(&header, &caps[0]))
}
