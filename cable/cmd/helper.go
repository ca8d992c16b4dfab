package cmd

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// helperName is what this program is called when it is to become a command.
const helperName = "ipnfs-command"

// init is the whole of such a program.
func init() {
	if len(os.Args) == 4 && os.Args[0] == helperName {
		runtime.LockOSThread()
		fmt.Fprintln(os.Stderr, become(os.Args[1], os.Args[2:]))
		os.Exit(126) // as sh does
	}
}

// order is what a helper is to become. Descriptors that are none are -1.
type order struct {
	UID, GID            uint32
	Groups              []int
	Effective           uint64
	Mount, Root, Cgroup int // descriptors: mount namespace, root directory, cgroup
}

// become makes this process what an order says, which executes a script of sh and its $0, or
// tells why it cannot. All is done by one thread, whose rights are those of the command.
func become(text string, script []string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	if err := unix.CloseRange(4, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return os.NewSyscallError("close_range", err)
	}
	o.joinCgroup()
	if err := o.enter(); err != nil {
		return fmt.Errorf("entering the place of uid %d: %w", o.UID, err)
	}
	if err := o.confine(); err != nil {
		return fmt.Errorf("the rights of uid %d: %w", o.UID, err)
	}
	return os.NewSyscallError("/bin/sh", syscall.Exec("/bin/sh", append([]string{"sh", "-c"}, script...), os.Environ()))
}

// joinCgroup goes into his cgroup. If that is not this process's to give he stays in the one
// of ipnfs.
func (o *order) joinCgroup() {
	if o.Cgroup < 0 {
		return
	}
	if fd, err := unix.Openat(o.Cgroup, "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
		_, _ = unix.Write(fd, []byte("0"))
		_ = unix.Close(fd)
	}
}

// enter goes into his mount namespace and below his root directory.
func (o *order) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	unix.Umask(0o022)
	if o.Mount >= 0 {
		if err := unix.Setns(o.Mount, unix.CLONE_NEWNS); err != nil {
			return os.NewSyscallError("setns", err)
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	if err := unix.Fchdir(o.Root); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	return os.NewSyscallError("chroot", unix.Chroot("."))
}

// confine takes on his ids, and his capabilities at most, which only uid 0 keeps: with
// no_new_privs nothing that the command executes has more. The system calls are the
// thread's alone.
func (o *order) confine() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if os.Geteuid() == 0 {
		if err := o.takeIDs(); err != nil {
			return err
		}
	}
	// A change of ids has undone what the parent asked for.
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0))
}

func (o *order) takeIDs() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	if err := unix.Setgroups(o.Groups); err != nil {
		return os.NewSyscallError("setgroups", err)
	}
	gid, uid := uintptr(o.GID), uintptr(o.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return os.NewSyscallError("setresgid", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return os.NewSyscallError("setresuid", errno)
	}
	if o.UID != 0 {
		o.Effective = 0
	}
	for i := range caps {
		caps[i].Permitted &= uint32(o.Effective >> (32 * i))
		caps[i].Effective, caps[i].Inheritable = caps[i].Permitted, 0
	}
	return os.NewSyscallError("capset", unix.Capset(&header, &caps[0]))
}
