package fs

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// mknod asks for one by a thread of that number, and returns the node.
func (k *kernel) mknod(path string, mode uint32, thread int) (node uint64, errno unix.Errno) {
	k.t.Helper()
	id, name := k.dir(path)
	in := fuse.MknodIn{InHeader: head(8, id), Mode: mode}
	in.Pid = uint32(thread)
	r := k.wait(k.ask("mknod "+path, named(bytesOf(in), name)))
	if r.errno == 0 {
		node = binary.NativeEndian.Uint64(r.body)
	}
	return node, r.errno
}

func (k *kernel) unlink(path string, thread int) unix.Errno {
	k.t.Helper()
	id, name := k.dir(path)
	in := head(10, id)
	in.Pid = uint32(thread)
	return k.wait(k.ask("unlink "+path, named(bytesOf(in), name))).errno
}

// there tells whether a name is found.
func (k *kernel) there(path string) bool {
	k.t.Helper()
	id, name := k.dir(path)
	return k.wait(k.ask("look for "+path, named(bytesOf(head(1, id)), name))).errno == 0
}

func (k *kernel) attr(node uint64) fuse.Attr {
	k.t.Helper()
	r := k.wait(k.ask("getattr", bytesOf(fuse.GetAttrIn{InHeader: head(3, node)})))
	if r.errno != 0 {
		k.t.Fatalf("getattr: %v", r.errno)
	}
	a := r.body[16:] // struct fuse_attr: ino first, mode and nlink behind the times
	return fuse.Attr{
		Ino: binary.NativeEndian.Uint64(a), Mode: binary.NativeEndian.Uint32(a[60:]), Nlink: binary.NativeEndian.Uint32(a[64:]),
	}
}

func (k *kernel) chmod(path string, mode uint32) unix.Errno {
	k.t.Helper()
	in := fuse.SetAttrIn{}
	in.InHeader, in.Valid, in.Mode = head(4, k.lookup(path)), fuse.FATTR_MODE, mode
	return k.wait(k.ask("chmod "+path, bytesOf(in))).errno
}

// A socket is there from bind to unlink, with one node.
func TestSocket(t *testing.T) {
	k := newKernel(t)
	us := os.Getpid()
	k.must("mkdir", k.mkdir("lan"))
	if k.there("lan/plug") {
		t.Error("it is there before it is bound")
	}
	node, errno := k.mknod("lan/plug", unix.S_IFSOCK|0o755, us)
	k.must("bind", errno)
	if again := k.lookup("lan/plug"); again != node || k.lookup("lan/plug") != node {
		t.Errorf("bound as node %x, found as %x", node, again)
	}
	if _, errno := k.mknod("lan/plug", unix.S_IFSOCK|0o755, us); errno != unix.EEXIST {
		t.Errorf("bound twice: %v", errno)
	}
	if a := k.attr(node); a.Mode != unix.S_IFSOCK|0o222 || a.Nlink != 1 { // port has 0744
		t.Errorf("it is %o with %d links", a.Mode, a.Nlink)
	}
	if errno := k.chmod("lan/plug", 0o777); errno != unix.EPERM {
		t.Errorf("chmod of what follows from port: %v", errno)
	}
	k.must("chmod", k.chmod("lan/port", 0o610))
	if a := k.attr(node); a.Mode != unix.S_IFSOCK|0o200 {
		t.Errorf("port has 0610, and it is %o", a.Mode)
	}
	if _, errno := k.tryOpen("lan/plug", unix.O_RDWR); errno != unix.ENXIO {
		t.Errorf("open: %v", errno)
	}
	ino := k.attr(node).Ino
	k.must("unlink", k.unlink("lan/plug", us))
	if a := k.attr(node); k.there("lan/plug") || a.Mode&unix.S_IFMT != unix.S_IFSOCK || a.Nlink != 0 {
		t.Errorf("it was removed, and is %o with %d links", a.Mode, a.Nlink)
	}
	if errno := k.unlink("lan/plug", us); errno != unix.ENOENT {
		t.Errorf("removed twice: %v", errno)
	}
	next, errno := k.mknod("lan/plug", unix.S_IFSOCK, us)
	k.must("bind again", errno)
	if a := k.attr(node); next == node || k.attr(next).Ino != ino || a.Nlink != 0 {
		t.Errorf("bound again as node %x, inode %x; before as %x, %x, with %d links", next, k.attr(next).Ino, node, ino, a.Nlink)
	}
}

// Only this process makes and removes sockets, and only those that are registered.
func TestSocketIsOurs(t *testing.T) {
	k := newKernel(t)
	us, other := os.Getpid(), os.Getppid()
	k.must("mkdir", k.mkdir("lan"))
	for _, c := range []struct {
		path   string
		mode   uint32
		thread int
	}{
		{"lan/plug", unix.S_IFSOCK, other}, {"lan/plug", unix.S_IFSOCK, 1}, {"lan/plug", unix.S_IFSOCK, 0}, {"lan/plug", unix.S_IFSOCK, 1 << 30},
		{"lan/plug", unix.S_IFREG, us}, {"lan/plug", unix.S_IFIFO, us}, {"lan/plug", unix.S_IFCHR, us},
		{"lan/other", unix.S_IFSOCK, us}, {"lan/mtu", unix.S_IFSOCK, us}, {"lan/ports/plug", unix.S_IFSOCK, us}, {"plug", unix.S_IFSOCK, us},
	} {
		if _, errno := k.mknod(c.path, c.mode, c.thread); errno != unix.EPERM {
			t.Errorf("mknod %s of type %o by thread %d: %v", c.path, c.mode, c.thread, errno)
		}
	}
	if k.there("lan/plug") {
		t.Error("it was refused, and is there")
	}
	_, errno := k.mknod("lan/plug", unix.S_IFSOCK, us)
	k.must("bind", errno)
	for _, c := range []struct {
		path   string
		thread int
	}{{"lan/plug", other}, {"lan/plug", 0}, {"lan/mtu", us}, {"lan/other", us}} {
		if errno := k.unlink(c.path, c.thread); errno != unix.EPERM {
			t.Errorf("unlink %s by thread %d: %v", c.path, c.thread, errno)
		}
	}
	if !k.there("lan/plug") {
		t.Error("it was not ours to remove, and is gone")
	}
	if text := k.fs.Errors(); !strings.Contains(text, " lan: unlink plug: ") || !strings.Contains(text, " lan: mknod plug: ") {
		t.Errorf("errors does not tell of the refusals: %s", text)
	}
}

// It goes with its network, by whatever name that is called.
func TestSocketOfNetwork(t *testing.T) {
	m := newLAN(t)
	id := m.id("lan/plug")
	ok(t, "mv", m.mv("lan", "wan"))
	if m.id("wan/plug") != id {
		t.Error("it is another node in a network that was renamed")
	}
	ok(t, "rmdir", m.rmdir("wan/ports/2"))
	ok(t, "rmdir", m.rmdir("wan/ports/1024"))
	ok(t, "rmdir", m.rmdir("wan"))
	if n := m.node(id); !n.gone {
		t.Error("its network has ended, and it is there")
	}
	ok(t, "mkdir", m.mkdir("wan", 0o755))
	wantStatus(t, "in the next network", statusAt(m, "wan/plug"), unix.ENOENT)
	ok(t, "bind", m.mknod("wan/plug", unix.S_IFSOCK, uint32(unix.Gettid())))
	m.dropSockets()
	if len(m.sockets.bound) != 1 || !statusAt(m, "wan/plug").Ok() {
		t.Errorf("what is left of both: %v", m.sockets.bound)
	}
}
