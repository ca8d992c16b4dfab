package fs

import (
	"os"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// openSockets lets the sockets of m be; they are bound in a directory that is no
// part of the tree, where the names must be free.
func (m *memory) openSockets() {
	m.t.Helper()
	root := m.t.TempDir()
	m.place = root + "/" + socketsName
	if err := os.Mkdir(m.place, 0o700); err != nil {
		m.t.Fatal(err)
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := m.OpenSockets(fd, root); err != nil {
		m.t.Fatal(err)
	}
}

// self is the header of a request of this process.
func (m *memory) self(id uint64) fuse.InHeader {
	h := m.header(id)
	h.Pid = uint32(unix.Gettid())
	return h
}

// A socket is one node, as long as its network is there, with rights that follow
// from those on port; without a place to bind them there are none.
func TestSocket(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	wantStatus(t, "without sockets", statusAt(m, "lan/plug"), unix.ENOENT)
	if text := m.read("features"); strings.Contains(text, "plug") {
		t.Errorf("features of a mount without sockets: %s", text)
	}
	m.openSockets()
	if text := m.read("features"); !strings.Contains(text, "plug\n") {
		t.Errorf("features: %s", text)
	}
	id := m.id("lan/plug")
	if again := m.id("lan/plug"); again != id {
		t.Errorf("found as %x and as %x", id, again)
	}
	if a := m.stat("lan/plug"); a.Mode != unix.S_IFSOCK|0o222 || a.Nlink != 1 { // port has 0744
		t.Errorf("it is %o with %d links", a.Mode, a.Nlink)
	}
	wantStatus(t, "chmod of what follows from port", m.chmod("lan/plug", 0o777), unix.EPERM)
	ok(t, "chmod", m.chmod("lan/port", 0o610))
	if a := m.stat("lan/plug"); a.Mode != unix.S_IFSOCK|0o200 {
		t.Errorf("port has 0610, and it is %o", a.Mode)
	}
	_, status := m.open("lan/plug", unix.O_RDWR)
	wantStatus(t, "open", status, unix.ENXIO)

	ok(t, "mv", m.mv("lan", "wan"))
	if m.id("wan/plug") != id {
		t.Error("it is another node in a network that was renamed")
	}
	ok(t, "rmdir", m.rmdir("wan"))
	if n := m.node(id); !n.gone {
		t.Error("its network has ended, and it is there")
	}
	m.CloseSockets()
	ok(t, "mkdir", m.mkdir("wan", 0o755))
	wantStatus(t, "after the end of sockets", statusAt(m, "wan/plug"), unix.ENOENT)
}

// Where they are bound this process makes sockets that are registered, each of
// which is the node that others find; nobody else does, and there nothing else is.
func TestSocketIsOurs(t *testing.T) {
	m := newLAN(t)
	us, other := uint32(unix.Gettid()), uint32(os.Getppid())
	h := m.self(fuse.FUSE_ROOT_ID)
	var place fuse.EntryOut
	ok(t, "the directory of sockets", m.Lookup(nil, &h, socketsName, &place))
	if place.Mode != unix.S_IFDIR|0o700 || place.Uid != uint32(os.Geteuid()) {
		t.Errorf("it is %o of uid %d", place.Mode, place.Uid)
	}
	wantStatus(t, "for others", statusAt(m, socketsName), unix.ENOENT)

	lan := m.node(m.id("lan/plug"))
	name := boundName(lan.net, lan.row)
	h = m.self(place.NodeId)
	wantStatus(t, "before it is bound", m.Lookup(nil, &h, name, &fuse.EntryOut{}), unix.ENOENT)
	mknod := func(name string, mode, thread uint32) (uint64, fuse.Status) {
		h := m.self(place.NodeId)
		h.Pid = thread
		var out fuse.EntryOut
		status := m.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: mode}, name, &out)
		return out.NodeId, status
	}
	id, status := mknod(name, unix.S_IFSOCK|0o755, us)
	ok(t, "bind", status)
	if id != lan.id {
		t.Errorf("bound as node %x, found as %x", id, lan.id)
	}
	for _, c := range []struct {
		name         string
		mode, thread uint32
	}{
		{name, unix.S_IFSOCK, other}, {name, unix.S_IFSOCK, 1}, {name, unix.S_IFSOCK, 0}, {name, unix.S_IFSOCK, 1 << 30},
		{name, unix.S_IFREG, us}, {name, unix.S_IFIFO, us}, {name, unix.S_IFCHR, us},
		{"9999.plug", unix.S_IFSOCK, us}, {"plug", unix.S_IFSOCK, us}, {".plug", unix.S_IFSOCK, us},
		{strings.Replace(name, "plug", "mtu", 1), unix.S_IFSOCK, us}, {name + ".", unix.S_IFSOCK, us},
	} {
		_, status := mknod(c.name, c.mode, c.thread)
		wantStatus(t, "mknod "+c.name, status, unix.EPERM)
	}
	for _, path := range []string{"lan/plug", "lan/" + name, "lan/other", "lan/ports/plug", "plug"} {
		wantStatus(t, "mknod "+path, m.mknod(path, unix.S_IFSOCK, us), unix.EPERM)
	}
	h = m.header(m.id("lan"))
	wantStatus(t, "unlink", m.Unlink(nil, &h, "plug"), unix.EPERM)
	if text := m.read("lan/errors"); !strings.Contains(text, " lan: unlink plug: ") || !strings.Contains(text, " lan: mknod plug: ") {
		t.Errorf("errors does not tell of the refusals: %s", text)
	}
	ok(t, "clear", m.write("lan/errors", "\n"))
	wantStatus(t, "a VDE client", m.mknod("lan/.00042-00001", unix.S_IFSOCK|0o700, other), unix.EPERM)
	if text := m.read("lan/errors"); text != "" {
		t.Errorf("of what each VDE client tries errors tells: %s", text)
	}
}
