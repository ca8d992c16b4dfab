package fault

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// mounted makes a network on a mount that the test itself will end.
func mounted(t *testing.T) *harness.Mounted {
	t.Helper()
	harness.NeedRoot(t)
	m := harness.Mount(t)
	m.Network(t, lan)
	return m
}

// umount is refused while a port is open, and nothing is changed by it.
func TestUnmountBusy(t *testing.T) {
	m := mounted(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	expectErr(t, "umount", unix.Unmount(m.Dir, 0), unix.EBUSY)
	if out, code := harness.Run(t, "umount", m.Dir); code != 32 {
		t.Errorf("ipnfs umount: exit %d, %s", code, out)
	}
	send(t, w, "as before")
	expect(t, r, "as before")
	closeNow(t, r)
	closeNow(t, w)
	if out, code := harness.Run(t, "umount", m.Dir); code != 0 {
		t.Errorf("ipnfs umount: exit %d, %s", code, out)
	}
	m.AwaitEnd(t)
}

// umount -l takes the tree away at once; open ports go on, and the daemon ends
// with the last of them.
func TestUnmountLazy(t *testing.T) {
	m := mounted(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	s := openStream(t, m, unix.O_RDWR)
	waiting := reading(s, 100)
	awaitBlocked(t, m, 1)
	if out, code := harness.Run(t, "umount", "-l", m.Dir); code != 0 {
		t.Fatalf("ipnfs umount -l: exit %d, %s", code, out)
	}
	if harness.IsMounted(t, m.Dir) {
		t.Error("still mounted")
	}
	if _, err := os.Stat(m.Path(lan)); !os.IsNotExist(err) {
		t.Errorf("stat of the network: %v", err)
	}
	for range 3 {
		send(t, w, "hello")
		expect(t, r, "hello")
	}
	if got := await(t, "read", waiting); string(got.data) != form("stream", "hello") {
		t.Errorf("read %q", got.data)
	}
	expect(t, s, form("stream", "hello", "hello"))

	// A new mount on the same place is another tree.
	again := harness.MountOn(t, m.Dir)
	again.Network(t, lan)
	fd := openPort(t, again, unix.O_RDONLY)
	send(t, w, "to the old one")
	expectEmpty(t, fd)
	expect(t, r, "to the old one")

	for _, old := range []int{r, w, s} {
		if !m.Running() {
			t.Fatal("the daemon ended before the last port was closed")
		}
		closeNow(t, old)
	}
	m.AwaitProcess(t)
	closeNow(t, fd)
}

// umount -f breaks the connection, though it says that the mount is busy: all
// that waits comes back, the daemon ends, and no dead mount is left.
func TestUnmountForce(t *testing.T) {
	e := newEnding(t)
	t.Cleanup(func() {
		if harness.IsMounted(t, e.m.Dir) {
			harness.Detach(t, e.m.Dir)
		}
	})
	expectErr(t, "umount -f", unix.Unmount(e.m.Dir, unix.MNT_FORCE), unix.EBUSY)
	e.check(t, false)
	e.m.AwaitProcess(t)
	harness.Eventually(t, "the mount to be gone", func() bool { return !harness.IsMounted(t, e.m.Dir) })
}
