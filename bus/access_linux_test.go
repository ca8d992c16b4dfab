package bus

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onThreadOf runs f on a thread that has these credentials, and ends with it.
func onThreadOf(t *testing.T, c Credentials, f func()) {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		failed <- func() error {
			groups := make([]uint32, len(c.Groups)+1)
			for i, gid := range c.Groups {
				groups[i] = uint32(gid)
			}
			if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
				return err
			}
			// Raw calls, since those of the library change all threads.
			_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(c.Groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
			if errno == 0 {
				_, _, errno = unix.RawSyscall(unix.SYS_SETRESGID, uintptr(c.GID), uintptr(c.GID), uintptr(c.GID))
			}
			if errno == 0 {
				_, _, errno = unix.RawSyscall(unix.SYS_SETRESUID, uintptr(c.UID), uintptr(c.UID), uintptr(c.UID))
			}
			if errno != 0 {
				return errno
			}
			head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			caps := [2]unix.CapUserData{{Effective: uint32(c.Effective), Permitted: uint32(c.Effective)}}
			if err := unix.Capset(&head, &caps[0]); err != nil {
				return err
			}
			f()
			return nil
		}()
	}()
	if err := <-failed; err != nil {
		t.Fatalf("a thread of %+v: %v", c, err)
	}
}

// The kernel is asked by opening files of all modes, and by what is in such directories.
func TestAccessIsTheKernels(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("this test needs root: it makes files of other users")
	}
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	files := make([]string, 0o1000)
	for mode := range files {
		files[mode] = fmt.Sprintf("%03o", mode)
		name := path + "/" + files[mode]
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(name, 5, 6); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, os.FileMode(mode)); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(name+".d/in", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(name+".d", 5, 6); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name+".d", os.FileMode(mode)); err != nil {
			t.Fatal(err)
		}
	}
	open := map[uint32]int{MayReceive: unix.O_RDONLY, MaySend: unix.O_WRONLY, MayReceive | MaySend: unix.O_RDWR}
	for name, c := range map[string]Credentials{
		"the owner":                {UID: 5, GID: 7},
		"the owner, in the group":  {UID: 5, GID: 6},
		"one of the group":         {UID: 8, GID: 6},
		"one with the group":       {UID: 8, GID: 7, Groups: []int{9, 6}},
		"another":                  {UID: 8, GID: 7, Groups: []int{9}},
		"one with uid as gid":      {UID: 6, GID: 5},
		"root":                     {Effective: 1<<capDACOverride | 1<<capDACReadSearch},
		"root without capability":  {},
		"root that may search":     {Effective: 1 << capDACReadSearch},
		"another with override":    {UID: 8, GID: 7, Effective: 1 << capDACOverride},
		"the owner who may search": {UID: 5, GID: 7, Effective: 1 << capDACReadSearch},
		"root in the group":        {Groups: []int{6}},
	} {
		onThreadOf(t, c, func() {
			for mode, file := range files {
				a := Access{Mode: uint32(mode), UID: 5, GID: 6}
				var st unix.Stat_t
				err := unix.Fstatat(dir, file+".d/in", &st, 0)
				if got := a.AllowsSearch(c); got != (err == nil) {
					t.Errorf("%s, a directory of mode %s: %v, and the kernel says %v", name, file, got, err)
				}
				for want := uint32(1); want <= 7; want++ {
					err := unix.Faccessat(dir, file, want, unix.AT_EACCESS)
					if flags, ok := open[want]; ok {
						var fd int
						if fd, err = unix.Openat(dir, file, flags|unix.O_CLOEXEC, 0); err == nil {
							unix.Close(fd)
						}
					}
					if err != nil && err != unix.EACCES {
						t.Errorf("%s, mode %s, bits %o: %v", name, file, want, err)
					}
					if got := a.Allows(c, want); got != (err == nil) {
						t.Errorf("%s, mode %s, bits %o: %v, and the kernel says %v", name, file, want, got, err)
					}
				}
			}
		})
	}
}

func TestAccessOfNothing(t *testing.T) {
	if !(Access{}).Allows(Credentials{UID: 1}, 0) {
		t.Error("nothing is refused")
	}
}
