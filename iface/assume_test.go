package iface

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// The thread has the caller's rights and no others, whatever the process has
// told the kernel about its capabilities, and is still root's to others.
func TestAssume(t *testing.T) {
	nstest.NeedRoot(t)
	here, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	c := &caller{Caller: bus.Caller{Info: bus.Info{UID: 1234, GID: 2345}, Rights: bus.Credentials{Groups: []int{7, 70000}}}}
	const noSetuidFixup = 1 << 2 // SECBIT_NO_SETUID_FIXUP
	for _, securebits := range []uintptr{0, noSetuidFixup} {
		err := here.Do(func() error {
			if err := unix.Prctl(unix.PR_SET_SECUREBITS, securebits, 0, 0, 0); err != nil {
				return err
			}
			if err := c.assume(); err != nil {
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
