package fs

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// attacher stands for the one of tap: it keeps names, and says what it was
// told.
type attacher struct {
	mu    sync.Mutex
	sets  map[*bus.Network]map[string]string
	calls []bus.Caller
	// Attach of slow waits until that is closed.
	slow    chan struct{}
	waiting int
}

var taps = &attacher{sets: map[*bus.Network]map[string]string{}}

var _ bus.Attacher = taps

func init() {
	bus.RegisterFile(bus.File{
		Place: bus.InNetwork, Name: "tap", Summary: "names that are kept", Rule: bus.Managed, Set: taps,
		Can: func() bool { return false },
	})
}

func (a *attacher) Attach(n *bus.Network, by bus.Caller, command string) error {
	name, options, _ := strings.Cut(command, " ")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, by)
	switch set := a.sets[n]; {
	case options == "slow":
		a.waiting++
		slow := a.slow
		a.mu.Unlock()
		<-slow
		a.mu.Lock()
	case options == "unsupported":
		return fail.Errorf(fail.Unsupported, "no /dev/net/tun")
	case options == "denied":
		return fail.Errorf(fail.Denied, "not yours")
	case set[name] != "":
		return fail.Errorf(fail.Exists, "%s is attached", name)
	}
	if a.sets[n] == nil {
		a.sets[n] = map[string]string{}
	}
	a.sets[n][name] = strings.TrimSpace(name + " " + options)
	return nil
}

func (a *attacher) Detach(n *bus.Network, by bus.Caller, command string) error {
	name, options, _ := strings.Cut(command, " ")
	if options != "" && options != "netns=h1" {
		return fail.Errorf(fail.Invalid, "nothing may follow but netns=h1")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, by)
	if a.sets[n][name] == "" {
		return fail.Errorf(fail.Unknown, "%s is not attached", name)
	}
	delete(a.sets[n], name)
	return nil
}

func (a *attacher) List(n *bus.Network) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Values(a.sets[n])), "\n")
}

func (a *attacher) lastCaller() bus.Caller {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[len(a.calls)-1]
}

func (a *attacher) waits() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}

// Each command, and what the file shows then.
func TestAttach(t *testing.T) {
	m := newLAN(t)
	for _, c := range []struct {
		command string
		errno   unix.Errno
		shows   string
	}{
		{"tap0", 0, "tap0\n"},
		{"+tap1 up mtu=1400\n", 0, "tap0\ntap1 up mtu=1400\n"},
		{"tap1", unix.EEXIST, "tap0\ntap1 up mtu=1400\n"},
		{"tap2 denied", unix.EPERM, "tap0\ntap1 up mtu=1400\n"},
		{"tap2 unsupported", unix.EOPNOTSUPP, "tap0\ntap1 up mtu=1400\n"},
		{"-tap1 up", unix.EINVAL, "tap0\ntap1 up mtu=1400\n"},
		{"-tap2", unix.ENOENT, "tap0\ntap1 up mtu=1400\n"},
		{" -tap1 ", 0, "tap0\n"},
		{"-tap0 netns=h1", 0, ""},
		{"", unix.EINVAL, ""},
		{"\n", unix.EINVAL, ""},
		{"+", unix.EINVAL, ""},
		{"-", unix.EINVAL, ""},
		{"+ tap0", unix.EINVAL, ""},
		{"- tap0", unix.EINVAL, ""},
		{"+-tap0", unix.EINVAL, ""},
		{"-+tap0", unix.EINVAL, ""},
		{"--tap0", unix.EINVAL, ""},
		{"tap0\ntap1", unix.EINVAL, ""},
	} {
		wantStatus(t, fmt.Sprintf("echo %q > tap", c.command), m.write("lan/tap", c.command), c.errno)
		if got := m.read("lan/tap"); got != c.shows {
			t.Errorf("after %q tap shows %q, want %q", c.command, got, c.shows)
		}
	}
	if text := m.read("lan/errors"); !strings.Contains(text, " tap: tap2 denied: not yours\n") {
		t.Errorf("errors does not tell of a refusal: %s", text)
	}
}

// Who writes is told, the thread included. It must be the user who opened the
// file: else a program of root's that is given it would lend root's rights.
func TestAttachCaller(t *testing.T) {
	m := newLAN(t)
	var out fuse.OpenOut
	open := &fuse.OpenIn{InHeader: m.header(m.id("lan/tap")), Flags: unix.O_WRONLY}
	open.Uid, open.Gid, open.Pid = 5, 6, uint32(unix.Gettid())
	ok(t, "open", m.Open(nil, open, &out))
	in := writeIn(out.Fh)
	_, status := m.Write(nil, in, []byte("theirs"))
	wantStatus(t, "write by another user", status, unix.EPERM)
	if got := m.read("lan/tap"); got != "" {
		t.Errorf("another user attached %q", got)
	}
	in.Uid, in.Gid, in.Pid = 5, 6, uint32(unix.Gettid())
	_, status = m.Write(nil, in, []byte("mine"))
	ok(t, "write", status)
	by := taps.lastCaller()
	if by.Kind != "tap" || by.UID != 5 || by.GID != 6 || by.PID != uint32(os.Getpid()) || by.Rights.Thread != in.Pid || by.Comm == "" || by.Since.IsZero() {
		t.Errorf("the caller is %+v", by)
	}
	if r := by.Rights; !r.Known || r.UID != 5 || r.GID != 6 {
		t.Errorf("his rights are %+v", r)
	}

	// The same user, of whom it was unknown at the open what he may do.
	open.Pid = 0
	ok(t, "open", m.Open(nil, open, &out))
	in.Fh = out.Fh
	_, status = m.Write(nil, in, []byte("-mine"))
	ok(t, "write", status)
	if r := taps.lastCaller().Rights; r.Known || r.Effective != 0 {
		t.Errorf("whoever opened the file had no rights that are known; in a write they are %+v", r)
	}
}

// What is slow to attach holds up nobody: others attach, the network is
// governed, even removed.
func TestSlowAttach(t *testing.T) {
	m := newLAN(t)
	taps.mu.Lock()
	taps.slow, taps.waiting = make(chan struct{}), 0
	taps.mu.Unlock()
	var all sync.WaitGroup
	for _, name := range []string{"tap0", "tap1"} {
		all.Add(1)
		go func() {
			defer all.Done()
			ok(t, "a slow one", m.write("lan/tap", name+" slow"))
		}()
	}
	bustest.WaitFor(t, "two that are attached at once", func() bool { return taps.waits() == 2 })
	ok(t, "attach", m.write("lan/tap", "tap2"))
	if got := m.read("lan/tap"); got != "tap2\n" {
		t.Errorf("meanwhile tap shows %q", got)
	}
	ok(t, "detach", m.write("lan/tap", "-tap2"))
	ok(t, "mtu", m.write("lan/mtu", "1500"))
	ok(t, "policy", m.write("lan/policy", hub))
	ok(t, "rmdir", m.rmdir("lan/ports/2"))
	ok(t, "mkdir", m.mkdir("wan", 0o755))
	m.ls("lan")
	close(taps.slow)
	all.Wait()
	if got := m.read("lan/tap"); got != "tap0 slow\ntap1 slow\n" {
		t.Errorf("in the end tap shows %q", got)
	}
}
