package creds

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// The thread has the caller's rights and no others, whatever the process has
// told the kernel about its capabilities, and is still root's to others.
func TestAssume(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("this test needs root")
	}
	const noSetuidFixup = 1 << 2 // SECBIT_NO_SETUID_FIXUP
	for _, securebits := range []uintptr{0, noSetuidFixup} {
		err := OnOwnThread(func() error {
			if err := unix.Prctl(unix.PR_SET_SECUREBITS, securebits, 0, 0, 0); err != nil {
				return err
			}
			if err := Assume(bus.Credentials{UID: 1234, GID: 2345, Groups: []int{7, 70000}}); err != nil {
				return err
			}
			return wantStatus(t, "\nUid:\t0\t1234\t0\t1234\n", "\nGid:\t0\t2345\t0\t2345\n", "\nGroups:\t7 70000 \n", "\nCapEff:\t0000000000000000\n")
		})
		if err != nil {
			t.Errorf("securebits %x: %v", securebits, err)
		}
	}
}

// The thread keeps the capabilities that the caller has, and of those no more than this
// process has.
func TestAssumeCapabilities(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("this test needs root")
	}
	const bind, ptrace, checkpoint = 1 << unix.CAP_NET_BIND_SERVICE, 1 << unix.CAP_SYS_PTRACE, 1 << unix.CAP_CHECKPOINT_RESTORE
	for _, uid := range []uint32{0, 1234} {
		for has, want := range map[uint64]uint64{
			0: 0, bind: bind, bind | checkpoint: bind | checkpoint, ^uint64(0) &^ ptrace: bind | checkpoint, ptrace: 0,
		} {
			err := OnOwnThread(func() error {
				header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
				const setID = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
				ours := [2]unix.CapUserData{{}, {Effective: checkpoint >> 32, Permitted: checkpoint >> 32}}
				ours[0].Effective, ours[0].Permitted = bind|setID, bind|setID
				if err := unix.Capset(&header, &ours[0]); err != nil {
					return err
				}
				if err := Assume(bus.Credentials{UID: uid, Effective: has}); err != nil {
					return err
				}
				if has == ^uint64(0)&^ptrace {
					want |= setID
				}
				return wantStatus(t, fmt.Sprintf("\nCapEff:\t%016x\n", want), "\nCapAmb:\t0000000000000000\n")
			})
			if err != nil {
				t.Errorf("uid %d, capabilities %x: %v", uid, has, err)
			}
		}
	}
}

// wantStatus checks what the kernel tells of this thread.
func wantStatus(t *testing.T, wants ...string) error {
	t.Helper()
	status, err := os.ReadFile("/proc/thread-self/status")
	for _, want := range wants {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in %s", want, status)
		}
	}
	return err
}

// Who is not root acts for nobody else.
func TestAssumeWithoutRoot(t *testing.T) {
	us := uint32(os.Geteuid())
	if us == 0 {
		t.Skip("this test is for those who are not root")
	}
	if err := Assume(bus.Credentials{UID: us}); err != nil {
		t.Error(err)
	}
	if err := Assume(bus.Credentials{UID: us + 1}); fail.KindOf(err) != fail.Denied {
		t.Errorf("another user: %v", err)
	}
}
