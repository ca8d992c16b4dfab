package main

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// needed are the capabilities that a mount needs after it has begun.
var needed = []int{
	unix.CAP_SYS_ADMIN,        // setns(2) into network namespaces, bpf(2), umount(2)
	unix.CAP_NET_ADMIN,        // taps, settings of interfaces, filters
	unix.CAP_NET_RAW,          // packet sockets of grabbed interfaces
	unix.CAP_NET_BROADCAST,    // news of interfaces in all namespaces (NETLINK_LISTEN_ALL_NSID)
	unix.CAP_SYS_PTRACE,       // namespaces, roots and descriptors of other processes in /proc
	unix.CAP_DAC_READ_SEARCH,  // the way to them
	unix.CAP_NET_BIND_SERVICE, // ports below 1024, for cables of those who may use them
	unix.CAP_SETUID,           // attaching a tap as the user who may do so
	unix.CAP_SETGID,
	unix.CAP_KILL,       // ending what the rc script and cables run as another user
	unix.CAP_SYS_CHROOT, // running commands of cables where who laid them is
}

// confine gives up all other capabilities for good, in all threads and in what
// is executed. A process that cannot unmount by itself stays as it is: it
// executes fusermount3(1), whose rights come with the execution.
func confine() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	if caps[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return nil
	}
	keep := uint64(0)
	for _, capability := range needed {
		keep |= 1 << capability
	}
	if caps[0].Effective&(1<<unix.CAP_SETPCAP) != 0 {
		if err := limitBounding(keep); err != nil {
			return err
		}
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if err := inAllThreads("no_new_privs", errno); err != nil {
		return err
	}
	for i := range caps {
		of := uint32(keep >> (32 * i))
		caps[i].Permitted &= of
		caps[i].Effective &= of
		caps[i].Inheritable = 0
	}
	_, _, errno = syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&caps[0])), 0)
	return inAllThreads("capset", errno)
}

// limitBounding drops all other capabilities than keep from the bounding set.
func limitBounding(keep uint64) error {
	for capability := uintptr(0); ; capability++ {
		held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, capability, 0, 0, 0)
		if err != nil {
			return nil // the kernel knows no more
		}
		if held == 0 || keep&(1<<capability) != 0 {
			continue
		}
		_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability, 0)
		if err := inAllThreads("dropping a capability", errno); err != nil {
			return err
		}
	}
}

// inAllThreads tells how a system call went that all threads made, as each has
// credentials of its own. Go does not do that for a program with C in it, such
// as one with the race detector, which goes on with all its rights.
func inAllThreads(what string, errno syscall.Errno) error {
	if errno == 0 || errors.Is(errno, unix.ENOTSUP) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, errno)
}
