package fs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func TestTable(t *testing.T) {
	type file struct {
		in   place
		name string
	}
	seen := map[file]bool{}
	for i := range table {
		r := &table[i]
		if seen[file{r.in, r.name}] && !r.ofPolicy() {
			t.Errorf("%q stands twice in one directory", r.name)
		}
		seen[file{r.in, r.name}] = true
		if int(r.index) != i+1 {
			t.Errorf("%q has index %d, want %d", r.name, r.index, i+1)
		}
		if r.write != nil && r.rule != setting && r.rule != rootLog {
			t.Errorf("%q can be written, and its mode never says so", r.name)
		}
		if r.write == nil && (r.rule == setting || r.rule == rootLog) {
			t.Errorf("%q cannot be written, and its mode says it can", r.name)
		}
		if r.isText() != (r.read != nil) {
			t.Errorf("%q: text files have a reader, the others none", r.name)
		}
		if r.emptyOK && r.write == nil {
			t.Errorf("%q takes an empty line, but cannot be written", r.name)
		}
		if r.isDoor() != (r.rule == ownDoor || r.rule == rwOfDoor) {
			t.Errorf("%q is a door or has a door's rights, not both", r.name)
		}
		if r.isDir() != (r.rule == ownDir || r.rule == reportDir || r.rule == manageDir) {
			t.Errorf("%q is a directory or has a directory's rights, not both", r.name)
		}
		if found := rowOf(r.in, r.name); found != r && !r.ofPolicy() {
			t.Errorf("%q is not found by its name", r.name)
		}
	}
	if len(table) >= 1<<8 {
		t.Errorf("%d rows do not fit into a node id", len(table))
	}
	for in := inRoot; in <= inPolicy; in++ {
		for i := range slots(in) {
			if r := slot(in, i); r.in != in || !r.ofPolicy() || int(r.slot) != i || seen[file{in, fmt.Sprint(r.index)}] {
				t.Errorf("slot %d of place %d is row %d", i, in, r.index)
			} else {
				seen[file{in, fmt.Sprint(r.index)}] = true
			}
		}
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
	served := map[place][]string{
		inNet: {"lan/fake"}, inPolicy: {"lan/fake/ports", "lan/fake/mute", "lan/fake/limit", "lan/fake/ticks"},
		inPort: {"lan/ports/2/tag", "lan/ports/2/silent"},
	}
	for i := range table {
		r := &table[i]
		dir := []string{"", "lan/", "lan/ports/", "lan/ports/2/", ""}[r.in]
		path := dir + r.name
		switch {
		case r.kind == netDir:
			path = "lan"
		case r.kind == portDir:
			path = "lan/ports/2"
		case r.ofPolicy():
			if len(served[r.in]) == 0 {
				continue
			}
			path, served[r.in] = served[r.in][0], served[r.in][1:]
		case !r.there():
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
		if f.row.fresh() == (again == id) {
			t.Errorf("%s: ids are %x and %x: fresh %v", path, id, again, f.row.fresh())
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
			if want := n.row.in != inRoot || n.row.kind == netDir; (n.net != nil) != want {
				t.Errorf("node %x: has a network: %v, want %v", id, n.net != nil, want)
			}
			if want := n.row.in == inPort || n.row.kind == portDir; (n.port != nil) != want {
				t.Errorf("node %x: has a port: %v, want %v", id, n.port != nil, want)
			}
		}
		useNode(t, m, id)
		if got := strings.Join(m.ls("lan/ports"), " "); !strings.Contains(got, " 1024 2") {
			t.Errorf("node %x: ports are now %s", id, got)
		}
	})
}
