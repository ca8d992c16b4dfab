package creds

import (
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
			status, err := os.ReadFile("/proc/thread-self/status")
			for _, want := range []string{
				"\nUid:\t0\t1234\t0\t1234\n", "\nGid:\t0\t2345\t0\t2345\n", "\nGroups:\t7 70000 \n", "\nCapEff:\t0000000000000000\n",
			} {
				if !strings.Contains(string(status), want) {
					t.Errorf("securebits %x: no %q in %s", securebits, want, status)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
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
