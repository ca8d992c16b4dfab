package fs

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// fakeServer stands for a package that serves files: a value for the mount, one for
// each network and one for each port, what those only may see who may receive and
// manage, and a socket for those who may receive or send. Its set of things attached
// is taps.
type fakeServer struct {
	mu     sync.Mutex
	values map[bus.At]string
	by     bus.Caller // who wrote last
	reader [2]uint32  // user and group of whom a text was made for last
	peeks  int        // how often that was made which not all may see
}

var fakes = &fakeServer{values: map[bus.At]string{}}

func init() {
	value := bus.File{Summary: "a value", Rule: bus.Managed, Read: fakes.read, Write: fakes.write, Empty: true}
	lamp, dial, gauge := value, value, value
	lamp.Place, lamp.Name = bus.InRoot, "lamp"
	dial.Place, dial.Name = bus.InNetwork, "dial"
	gauge.Place, gauge.Name, gauge.Live = bus.InPort, "gauge", true
	for _, f := range []bus.File{gauge, lamp, dial, {
		Place: bus.InNetwork, Name: "peek", Summary: "what not all may see",
		Rule: func(port uint32) uint32 { return port & 0o444 & (port << 2) },
		Read: fakes.peek,
		Cost: func(at bus.At) int { return 1000 * len(fakes.read(at)) },
	}, {
		Place: bus.InNetwork, Name: "plug", Summary: "a socket", Socket: &bus.Socket{Serve: servePlug},
		Rule: bus.ForPeers,
	}} {
		bus.RegisterFile(f)
	}
}

// where is at for whoever reads.
func where(at bus.At) bus.At {
	at.UID, at.GID = 0, 0
	return at
}

func (p *fakeServer) read(at bus.At) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reader = [2]uint32{at.UID, at.GID}
	return p.values[where(at)]
}

func (p *fakeServer) peek(at bus.At) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peeks++
	return strings.Repeat(p.values[where(at)], 1000)
}

func (p *fakeServer) write(at bus.At, by bus.Caller, command string) error {
	if command == "odd" {
		return fail.Errorf(fail.Range, "an odd value")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values[at], p.by = command, by
	if at.Network != nil {
		at.Network.Event("set", "value=%s", command)
	}
	return nil
}

// A part's files are read, written, refused and told of as the tree's own are,
// wherever they stand.
func TestRegisteredFiles(t *testing.T) {
	m := newLAN(t)
	lan, port := m.bus.Network("lan"), m.bus.Network("lan").Port(2)
	for path, at := range map[string]bus.At{
		"lamp": {Bus: m.bus}, "lan/dial": {Bus: m.bus, Network: lan}, "lan/ports/2/gauge": {Bus: m.bus, Network: lan, Port: port},
	} {
		dir, name := split(path)
		if list := m.ls(dir); !strings.Contains(strings.Join(list, " "), name) {
			t.Errorf("%s is not listed in %v", name, list)
		}
		var out fuse.OpenOut
		if dir != "" {
			ok(t, "open events", m.Open(nil, &fuse.OpenIn{InHeader: m.header(m.id("lan/events"))}, &out))
		}
		ok(t, "write "+path, m.write(path, " bright \n"))
		if got := m.read(path); got != "bright\n" {
			t.Errorf("%s reads %q", path, got)
		}
		if got := fakes.read(at); got != "bright" {
			t.Errorf("%s was set at another place than %+v", path, at)
		}
		wantStatus(t, "an odd value", m.write(path, "odd"), unix.ERANGE)
		wantStatus(t, "two lines", m.write(path, "a\nb"), unix.EINVAL)
		if got := m.read(path); got != "bright\n" {
			t.Errorf("%s was refused, and reads %q", path, got)
		}
		if got := m.read("errors"); !strings.Contains(got, " "+path+": odd: an odd value\n") {
			t.Errorf("errors does not tell of %s: %s", path, got)
		}
		if h, found := m.dev.Handle(out.Fh).(*events); found != (dir != "") || found && !strings.HasSuffix(string(h.lines), " set value=bright\n") {
			t.Errorf("events after a write to %s are %+v", path, h)
		}
		ok(t, "empty", m.write(path, "\n"))
		if got := m.read(path); got != "" {
			t.Errorf("%s is empty and reads %q", path, got)
		}
	}
	for path, live := range map[string]bool{"lan/dial": false, "lan/ports/2/gauge": true, "lan/peek": true} {
		if first, next := m.id(path), m.id(path); (first != next) != live {
			t.Errorf("%s is node %x and then %x; live: %v", path, first, next, live)
		}
	}
}

// It hears for whom it reads: who opened the file, or who asks for its size.
func TestRegisteredFileHearsTheReader(t *testing.T) {
	m := newLAN(t)
	want := func(what string, uid, gid uint32) {
		t.Helper()
		fakes.mu.Lock()
		defer fakes.mu.Unlock()
		if is := [2]uint32{uid, gid}; fakes.reader != is {
			t.Errorf("%s: the text was made for %v, want %v", what, fakes.reader, is)
		}
	}
	id := m.id("lan/ports/2/gauge")
	open := &fuse.OpenIn{InHeader: m.header(id)}
	open.Uid, open.Gid = 7, 8
	var out fuse.OpenOut
	ok(t, "open", m.Open(nil, open, &out))
	in := readIn(out.Fh, 0, 100)
	in.Uid, in.Gid = 9, 9
	_, status := m.FS.Read(nil, in, nil)
	ok(t, "read", status)
	want("read", 7, 8)
	m.Release(nil, &fuse.ReleaseIn{Fh: out.Fh})
	stat := &fuse.GetAttrIn{InHeader: m.header(id)}
	stat.Uid, stat.Gid = 5, 6
	ok(t, "stat", m.GetAttr(nil, stat, &fuse.AttrOut{}))
	want("stat", 5, 6)
}

// It hears who writes, as far as he has opened the file himself.
func TestRegisteredFileHearsTheCaller(t *testing.T) {
	m := newLAN(t)
	open := &fuse.OpenIn{InHeader: m.header(m.id("lan/dial")), Flags: unix.O_WRONLY}
	open.Pid = uint32(unix.Gettid())
	var out fuse.OpenOut
	ok(t, "open", m.Open(nil, open, &out))
	defer m.Release(nil, &fuse.ReleaseIn{Fh: out.Fh})
	in := writeIn(out.Fh)
	in.Uid, in.Gid, in.Pid = 9, 9, open.Pid
	_, status := m.Write(nil, in, []byte("theirs"))
	wantStatus(t, "write by another user", status, unix.EPERM)
	in.Uid, in.Gid = 1, 2
	_, status = m.Write(nil, in, []byte("mine"))
	ok(t, "write", status)
	fakes.mu.Lock()
	defer fakes.mu.Unlock()
	if by := fakes.by; by.UID != 1 || by.Rights.Thread != open.Pid || !by.Rights.Known || by.Comm == "" {
		t.Errorf("the caller is %+v", by)
	}
}

// A text that is long is not made at all if memory has no room for it.
func TestRegisteredFileCosts(t *testing.T) {
	m := newLAN(t)
	ok(t, "write", m.write("lan/dial", strings.Repeat("x", 1000)))
	if got := m.read("lan/peek"); len(got) != 1000*1000+1 {
		t.Errorf("peek reads %d bytes", len(got))
	}
	o := testOptions()
	o.Limits.Memory = 1 << 20
	m = newMemory(t, o)
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	ok(t, "write", m.write("lan/dial", strings.Repeat("x", 4000)))
	before := fakes.peeks
	fh, status := m.open("lan/peek", unix.O_RDONLY)
	ok(t, "open", status)
	defer m.Release(nil, &fuse.ReleaseIn{Fh: fh})
	_, status = m.Read(nil, readIn(fh, 0, 10), make([]byte, 10))
	wantStatus(t, "a text that memory has no room for", status, unix.ENOBUFS)
	if fakes.peeks != before {
		t.Error("it was made")
	}
}

// A policy gets no file of a name that is registered.
func TestRegisteredNamesAreTaken(t *testing.T) {
	m := newMemory(t, testOptions())
	wantStatus(t, "a network named as a file", m.mkdir("lamp", 0o755), unix.EEXIST)
	m = newOffer(t, register(func() *offer { return &offer{ports: []string{"gauge", "p"}} }))
	if got := strings.Join(m.ls("lan/ports/2"), " "); strings.Count(got, "gauge") != 1 || !strings.Contains(got, " p ") {
		t.Errorf("a policy that has a gauge: the port has %s", got)
	}
}

// Files and policies that are registered are words in features, if the machine
// lets them work.
func TestRegisteredFeatures(t *testing.T) {
	got := strings.Fields(newLAN(t).read("features"))
	for word, want := range map[string]bool{"poll": true, "dial": true, "plug": true, "switch": true, hub: false, "tap": false} {
		if slices.Contains(got, word) != want {
			t.Errorf("features are %v; %s: want %v", got, word, want)
		}
	}
}
