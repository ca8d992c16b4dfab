package netns_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// here returns the ID of the namespace that the calling thread is in.
func here(t *testing.T) netns.ID {
	t.Helper()
	ns, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	return ns.ID()
}

// threads lists the namespaces that the process's threads are in.
func threads(t *testing.T) map[string]int {
	t.Helper()
	list := map[string]int{}
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/task/" + e.Name() + "/ns/net"); err == nil {
			list[to]++
		}
	}
	return list
}

// Whatever runs in a namespace, no thread of the process stays there.
func TestDo(t *testing.T) {
	_, ns := nstest.New(t)
	home := here(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := ns.Do(func() error {
				if got := here(t); got != ns.ID() {
					t.Errorf("in %v, not in %v", got, ns.ID())
				}
				if unix.Gettid() == unix.Getpid() {
					t.Error("on the main thread")
				}
				return unix.EDOM
			})
			if !errors.Is(err, unix.EDOM) {
				t.Errorf("the error became %v", err)
			}
		})
	}
	all.Wait()
	nstest.Wait(t, "the threads end", func() bool { return threads(t)[ns.ID().String()] == 0 })
	if got := here(t); got != home {
		t.Errorf("afterwards in %v", got)
	}
	if to, err := os.Readlink("/proc/self/ns/net"); err != nil || to != home.String() {
		t.Errorf("the main thread is in %s, %v", to, err)
	}
}

func TestPrivate(t *testing.T) {
	nstest.NeedRoot(t)
	a, err := netns.Private()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := netns.Private(); err != nil || a != b {
		t.Errorf("the second call gave another one, %v", err)
	}
	if a.ID() == here(t) {
		t.Error("it is our own")
	}
}

func TestOthers(t *testing.T) {
	name, ns := nstest.New(t)
	if got := netns.Names()[ns.ID()]; got != name {
		t.Errorf("its name is %q, want %q", got, name)
	}
	if s := ns.ID().String(); !strings.HasPrefix(s, "net:[") {
		t.Errorf("its ID is shown as %s", s)
	}
	self, err := netns.OfThread(thread(t))
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	if self.ID() != here(t) {
		t.Error("OfThread found another namespace")
	}
	if _, err := netns.OfThread(1 << 30); !errors.Is(err, unix.ENOENT) {
		t.Errorf("OfThread of nobody: %v", err)
	}
}

func TestFromFD(t *testing.T) {
	nstest.NeedRoot(t)
	for _, path := range []string{"/dev/null", "/proc/self/ns/mnt", "/proc/self/ns/pid", "/"} {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := netns.FromFD(fd); err == nil {
			t.Errorf("%s was taken for a network namespace", path)
		}
		if _, err := os.Stat("/proc/self/fd/" + strconv.Itoa(fd)); err == nil {
			t.Errorf("the descriptor of %s stayed open", path)
		}
	}
}
