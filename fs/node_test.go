package fs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

func TestTable(t *testing.T) {
	number := 1
	for i := range tree().rows {
		r := &tree().rows[i]
		if int(r.index) != number {
			t.Errorf("%q has number %d, want %d", r.name, r.index, number)
		}
		for slot := range max(1, r.slots) {
			if found, is := tree().numbered(number); found != r || is != slot {
				t.Errorf("number %d is slot %d of %q, want %d of %q", number, is, found.name, slot, r.name)
			}
			number++
		}
		if r.write != nil != (r.isText() && r.rule(0o777)&0o222 != 0) {
			t.Errorf("%q can be written, or its mode says so, not both", r.name)
		}
		if r.emptyOK && r.write == nil {
			t.Errorf("%q takes an empty line, but cannot be written", r.name)
		}
		if one := r.isDir() != r.isText() != (r.open != nil) != (r.kind == socket); !one {
			t.Errorf("%q must be one of a directory, a text, a door and a socket", r.name)
		}
		if found := rowOf(r.in, r.name); found != r {
			t.Errorf("%q is not found by its name, or stands twice in one directory", r.name)
		}
	}
	if r, _ := tree().numbered(number); r != nil {
		t.Errorf("behind the last there is %q", r.name)
	}
}

// A row's number does not depend on who registered first, and all fit into a
// node id.
func TestTableOfFiles(t *testing.T) {
	file := func(name string) bus.File {
		return bus.File{Place: bus.InNetwork, Name: name, Read: func(bus.At) string { return "" }, Rule: bus.ReadOnly}
	}
	var many []bus.File
	for len(many) < maxRows+1 {
		many = append(many, file(fmt.Sprint("f", len(many))))
	}
	fits := maxRows - (len(newTable(nil).byNumber) - 1)
	for name, c := range map[string]struct {
		files  []bus.File
		panics bool
	}{
		"as many as there are numbers":  {many[:fits], false},
		"one more":                      {many[:fits+1], true},
		"a name of the tree's":          {[]bus.File{file("mtu")}, true},
		"a name that is kept for later": {[]bus.File{{Name: "policies.d", Rule: bus.ReadOnly}}, true},
		"a name of another directory's": {[]bus.File{file("mirror")}, false},
	} {
		func() {
			defer func() {
				if r := recover(); (r != nil) != c.panics {
					t.Errorf("%s: panic %v", name, r)
				}
			}()
			newTable(c.files)
		}()
	}
}

// file is a file or directory of newLAN's tree.
type file struct {
	path string
	row  *row
}

// readOnly are those of them that the policy serves and that have a mode of
// their own.
var readOnly = map[string]bool{"lan/fake/ports": true, "lan/fake/ticks": true, "lan/ports/2/silent": true}

// files are all of newLAN, but port 1024.
func files() (list []file) {
	served := map[bus.Place][]string{
		bus.InNetwork: {"lan/fake"}, inPolicy: {"lan/fake/ports", "lan/fake/mute", "lan/fake/limit", "lan/fake/ticks"},
		bus.InPort: {"lan/ports/2/tag", "lan/ports/2/silent"},
	}
	for i := range tree().rows {
		r := &tree().rows[i]
		if r.in == inHiding {
			continue
		}
		dir := []string{"", "lan/", "lan/ports/2/", "lan/ports/", ""}[r.in]
		path := dir + r.name
		switch {
		case r.kind == netDir:
			path = "lan"
		case r.kind == portDir:
			path = "lan/ports/2"
		case r.ofPolicy():
			for _, path := range served[r.in] {
				list = append(list, file{path, r})
			}
			continue
		}
		list = append(list, file{path, r})
	}
	return list
}

// newLAN is a tree with a network lan of two reserved ports, with a policy
// that serves files and with attachments.
func newLAN(t testing.TB) *memory {
	m := newMemory(t, testOptions())
	ok(t, "mkdir lan", m.mkdir("lan", 0o755))
	ok(t, "policy", m.write("lan/policy", fakePolicy))
	ok(t, "mkdir lan/ports/2", m.mkdir("lan/ports/2", 0))
	ok(t, "mkdir lan/ports/1024", m.mkdir("lan/ports/1024", 0))
	m.openSockets()
	return m
}

// What an id was made of is found in it again.
func TestNodeIDs(t *testing.T) {
	m := newLAN(t)
	inos := map[uint64]string{}
	for _, f := range files() {
		path := f.path
		id, out, status := m.lookup(path)
		ok(t, path, status)
		n := m.node(id)
		if n.gone || n.row != f.row || n.path() != path || n.readOnly != readOnly[path] {
			t.Errorf("%s: node %x is %q, gone %v", path, id, n.path(), n.gone)
		}
		if other, twice := inos[out.Ino]; twice || out.Ino == 0 {
			t.Errorf("%s and %s have one inode number", path, other)
		}
		inos[out.Ino] = path
		again := m.id(path)
		if f.row.live == (again == id) {
			t.Errorf("%s: ids are %x and %x: fresh %v", path, id, again, f.row.live)
		}
		if m.stat(path).Ino != out.Ino {
			t.Errorf("%s: another inode number at each lookup", path)
		}
	}
	if n := m.node(m.id("lan/ports/1024/queue")); n.port == nil || n.port.Number() != 1024 {
		t.Error("port 1024 does not fit its node id")
	}
}

// The sequence number of doors may pass any bound.
func TestDoorSequence(t *testing.T) {
	m := newLAN(t)
	sequence.Store(1<<portShift - 2)
	for range 4 {
		n := m.node(m.id("lan/ports/2/port"))
		if n.gone || n.port.Number() != 2 || n.path() != "lan/ports/2/port" {
			t.Errorf("node %x is %q", n.id, n.path())
		}
	}
	sequence.Store(1<<32 - 2)
	for range 4 {
		if n := m.node(m.id("lan/stream")); n.gone || n.path() != "lan/stream" {
			t.Errorf("node %x is %q", n.id, n.path())
		}
	}
}

// A node of what has ended says so, whatever comes in its place.
func TestGoneNodes(t *testing.T) {
	m := newLAN(t)
	var ids []uint64
	for _, f := range files() {
		if strings.HasPrefix(f.path, "lan") {
			ids = append(ids, m.id(f.path))
		}
	}
	ok(t, "rmdir", m.rmdir("lan/ports/2"))
	ok(t, "rmdir", m.rmdir("lan/ports/1024"))
	ok(t, "rmdir", m.rmdir("lan"))
	ok(t, "mkdir again", m.mkdir("lan", 0o755))
	ok(t, "policy", m.write("lan/policy", fakePolicy))
	ok(t, "mkdir again", m.mkdir("lan/ports/2", 0))
	for _, id := range ids {
		n := m.node(id)
		if !n.gone {
			t.Errorf("node %x is %s", id, n.path())
		}
		useNode(t, m, id)
		var out fuse.OpenOut
		wantStatus(t, "open", m.Open(nil, &fuse.OpenIn{InHeader: m.header(id)}, &out), unix.ENOENT)
		h := m.header(id)
		wantStatus(t, "lookup in it", m.Lookup(nil, &h, "port", &fuse.EntryOut{}), unix.ENOENT)
		in := fuse.SetAttrIn{}
		in.InHeader, in.Valid, in.Mode = h, fuse.FATTR_MODE, 0o777
		wantStatus(t, "chmod", m.SetAttr(nil, &in, &fuse.AttrOut{}), unix.ENODEV)
		if a := (&fuse.AttrOut{}); m.GetAttr(nil, &fuse.GetAttrIn{InHeader: h}, a) != fuse.OK || a.Nlink != 0 {
			t.Errorf("stat of what is gone: %d links", a.Nlink)
		}
	}
}

// useNode does with a node whatever can be done without changing much.
func useNode(t testing.TB, m *memory, id uint64) {
	n := m.node(id)
	_, _, _ = n.ino(), n.path(), n.localPath()
	h := m.header(id)
	m.GetAttr(nil, &fuse.GetAttrIn{InHeader: h}, &fuse.AttrOut{})
	for _, name := range []string{"port", "lan", "ports", "2", "", "."} {
		m.Lookup(nil, &h, name, &fuse.EntryOut{})
	}
	for _, flags := range []uint32{unix.O_RDONLY, unix.O_RDWR} {
		var out fuse.OpenOut
		if !m.Open(nil, &fuse.OpenIn{InHeader: h, Flags: flags}, &out).Ok() {
			continue
		}
		if m.dev.Handle(out.Fh) != nil {
			continue // it stays open until the end of the tree
		}
		m.Read(nil, &fuse.ReadIn{InHeader: h, Fh: out.Fh}, make([]byte, 100))
		m.Release(nil, &fuse.ReleaseIn{Fh: out.Fh})
	}
	var out fuse.OpenOut
	if m.OpenDir(nil, &fuse.OpenIn{InHeader: h}, &out).Ok() {
		m.ReleaseDir(&fuse.ReleaseIn{Fh: out.Fh})
	}
	m.Mkdir(nil, &fuse.MkdirIn{InHeader: h}, "x y", &fuse.EntryOut{}) // is no name
	m.Rmdir(nil, &h, "port")
	m.Unlink(nil, &h, "port")
	in := fuse.SetAttrIn{}
	in.InHeader = h
	m.SetAttr(nil, &in, &fuse.AttrOut{})
}

// FuzzNodeID uses any number as a node id.
func FuzzNodeID(f *testing.F) {
	m := newLAN(f)
	for _, file := range files() {
		f.Add(m.id(file.path))
	}
	for _, id := range []uint64{0, 1, 2, ^uint64(0), 1 << 63, 1 << rowShift, 6 << rowShift, 7<<rowShift | 1<<netShift} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id uint64) {
		m := newLAN(t)
		n := m.node(id)
		if n.row == nil && id != fuse.FUSE_ROOT_ID {
			t.Errorf("node %x is taken for the root", id)
		}
		if n.row != nil && !n.gone {
			if want := n.row.ofNetwork(); (n.net != nil) != want {
				t.Errorf("node %x: has a network: %v, want %v", id, n.net != nil, want)
			}
			if want := n.row.in == bus.InPort || n.row.kind == portDir; (n.port != nil) != want {
				t.Errorf("node %x: has a port: %v, want %v", id, n.port != nil, want)
			}
		}
		useNode(t, m, id)
		if got := strings.Join(m.ls("lan/ports"), " "); !strings.Contains(got, " 1024 2") {
			t.Errorf("node %x: ports are now %s", id, got)
		}
	})
}
