package iface_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/creds"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// needAll skips where what keeps namespaces alive cannot be told.
func needAll(t *testing.T) {
	t.Helper()
	nstest.NeedRoot(t)
	if !netns.SeesAll() {
		t.Skip("this is a pid namespace that does not see all processes")
	}
}

// pinned is a namespace in which something is attached that keeps it alive,
// and a veth whose other end is outside: that one ends with the namespace.
type pinned struct {
	name, outside string
	ns            *netns.NS
}

func newPinned(t *testing.T, l *lab) *pinned {
	p := &pinned{}
	p.name, p.ns = nstest.New(t)
	near, far := nstest.Veth(t, p.ns)
	nstest.Change(t, p.ns, far, func(k netlink.Link) error { return netlink.LinkSetNsFd(k, l.ns.FD()) })
	nstest.Change(t, p.ns, near, func(k netlink.Link) error { return netlink.LinkSetName(k, "lnk0") })
	p.outside = far
	nstest.Tap(t, p.ns, "lnktap", nstest.Tun{})
	return p
}

// Watching keeps nothing alive: a namespace whose name is removed ends with
// what is attached there.
func TestPinnedNamespaceEnds(t *testing.T) {
	needAll(t)
	for file, name := range map[string]string{"grab": "lnk0", "tap": "lnktap"} {
		l := newLab(t)
		before := descriptors(t)
		events := &bustest.Events{}
		if err := l.Net.Subscribe(events); err != nil {
			t.Fatal(err)
		}
		p := newPinned(t, l)
		l.attach(file, name+" netns="+p.name)
		netns.CheckGuards()
		l.wantList(file, name, "netns="+p.name)
		nstest.Delete(p.name)
		p.ns.Close()
		l.wantList(file)
		wantGone(t, l.ns, p.outside)
		nstest.Wait(t, "the port to end", func() bool { return len(l.Net.Ports()) == 0 })
		if n := events.Count("link-gone"); n != 1 {
			t.Errorf("%s: %d events link-gone", file, n)
		}
		nstest.Wait(t, "the descriptors to be closed", func() bool { return descriptors(t) <= before })
	}
}

// What else keeps a namespace alive, one after the other: as long as one does
// all stays.
func TestWitnesses(t *testing.T) {
	needAll(t)
	l := newLab(t)
	p := newPinned(t, l)
	l.attach("grab", "lnk0 netns="+p.name)
	stays := func(what string) {
		t.Helper()
		for range 3 {
			netns.CheckGuards()
		}
		if got := l.list("grab"); !hasWords(got[0], "lnk0", "port=1") {
			t.Fatalf("%s: grab shows %q", what, got)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "netns")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hold := func(script string) (end func()) {
		t.Helper()
		cmd := exec.Command("sh", "-c", script+"; echo; exec cat")
		_, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		ready, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		end = func() { cmd.Process.Kill(); cmd.Wait() }
		t.Cleanup(end)
		if _, err := ready.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return end
	}
	ends := map[string]func(){}
	ends["a descriptor"] = hold("exec 7</run/netns/" + p.name)
	ends["a mount"] = hold(fmt.Sprintf("exec unshare --mount --propagation private sh -c 'mount --bind /run/netns/%s %s; echo; exec cat'", p.name, path))
	member := process(t, p.ns, nil)
	nstest.Delete(p.name)
	p.ns.Close()

	stays("a process, a descriptor and a mount")
	if err := unix.Kill(int(member.PID), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	nstest.Wait(t, "the process to end", func() bool {
		_, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", member.PID))
		return err != nil
	})
	stays("a descriptor and a mount")
	ends["a descriptor"]()
	stays("a mount")
	ends["a mount"]()
	l.wantList("grab")
	wantGone(t, l.ns, p.outside)
}

// If nothing else kept the namespace alive when the interface was attached,
// that is as it shall be.
func TestNoWitnessAtFirst(t *testing.T) {
	needAll(t)
	l := newLab(t)
	p := newPinned(t, l)
	// A thread of this process writes, which is no witness.
	nstest.Delete(p.name)
	nstest.In(t, p.ns, func() error {
		l.want(0, creds.Of(uint32(unix.Gettid()), 0, 0), "grab", "lnk0")
		return nil
	})
	p.ns.Close()
	for range 3 {
		netns.CheckGuards()
	}
	if got := l.list("grab"); !hasWords(got[0], "lnk0", "port=1") {
		t.Errorf("grab shows %q", got)
	}
	l.detach("grab", "lnk0")
	wantGone(t, l.ns, p.outside)
}
