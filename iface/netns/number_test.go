package netns_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// A namespace is found by the id that it has in another one, if it has a name, or a
// process is in it.
func TestNumbered(t *testing.T) {
	_, home := nstest.New(t)
	name, named := nstest.New(t)
	pid, _ := child(t, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}, "echo; read line")
	alive, err := netns.OfThread(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	want := func(id int, ns *netns.NS) {
		t.Helper()
		found, err := netns.Numbered(home, id)
		switch {
		case err != nil:
			if ns != nil || !errors.Is(err, unix.ESRCH) {
				t.Errorf("id %d: %v", id, err)
			}
			return
		case ns == nil || found.ID() != ns.ID():
			t.Errorf("id %d is found to be %v", id, found.ID())
		}
		found.Close()
	}
	want(7, nil)
	want(-1, nil) // not even what has none there
	nstest.In(t, home, func() error {
		return errors.Join(netlink.SetNetNsIdByFd(named.FD(), 7), netlink.SetNetNsIdByFd(alive.FD(), 8))
	})
	want(7, named)
	want(8, alive)
	nstest.Delete(name) // it lives on by our descriptor, which nobody looks at
	want(7, nil)
}
