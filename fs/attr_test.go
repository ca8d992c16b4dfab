package fs

import (
	"fmt"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// What mkdir gives: the directory mkdir's mode, port its rw bits and x for the
// owner alone.
func TestMkdirModes(t *testing.T) {
	for _, c := range []struct{ mkdir, dir, port uint32 }{
		{0o755, 0o755, 0o744},
		{0o700, 0o700, 0o700},
		{0o777, 0o777, 0o766},
		{0o711, 0o711, 0o700},
		{0o000, 0o000, 0o100},
		{0o1777, 0o1777, 0o766},
		{0o4755, 0o755, 0o744},
	} {
		m := newMemory(t, testOptions())
		ok(t, "mkdir", m.mkdir("lan", c.mkdir))
		dir, port := m.stat("lan"), m.stat("lan/port")
		if dir.Mode != unix.S_IFDIR|c.dir || port.Mode != unix.S_IFREG|c.port {
			t.Errorf("mkdir %04o: directory %o, port %o; want %o, %o", c.mkdir, dir.Mode, port.Mode, c.dir, c.port)
		}
		if dir.Owner != (fuse.Owner{Uid: 1, Gid: 2}) || port.Owner != dir.Owner {
			t.Errorf("mkdir %04o: owners are %v and %v", c.mkdir, dir.Owner, port.Owner)
		}
	}
}

func TestMkdirUnderSetGID(t *testing.T) {
	o := testOptions()
	o.Root.Mode = 0o2775
	m := newMemory(t, o)
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	if a := m.stat("lan"); a.Gid != 20 || a.Mode&unix.S_ISGID == 0 {
		t.Errorf("under a set-gid root: group %d, mode %o", a.Gid, a.Mode)
	}
	if a := m.stat("lan/port"); a.Gid != 20 || a.Mode&0o7000 != 0 {
		t.Errorf("port: group %d, mode %o", a.Gid, a.Mode)
	}
}

// The modes of all files follow from port's: every mode that it may have.
func TestDerivedModes(t *testing.T) {
	m := newLAN(t)
	ok(t, "chown lan", m.chown("lan", 5, 6))
	for mode := uint32(0); mode <= 0o777; mode++ {
		ok(t, "chmod", m.chmod("lan/port", mode))
		ok(t, "chown", m.chown("lan/port", mode, mode+1))
		manage := uint32(0)
		for _, class := range []uint32{0o100, 0o010, 0o001} {
			if mode&class != 0 {
				manage |= class * 2
			}
		}
		for _, f := range files() {
			path := f.path
			want, owner := uint32(0), fuse.Owner{Uid: mode, Gid: mode + 1}
			switch r := f.row; {
			case path == "lan":
				want, owner = unix.S_IFDIR|0o755, fuse.Owner{Uid: 5, Gid: 6}
			case path == "lan/ports":
				want = unix.S_IFDIR | 0o555 | manage
			case r.isDir():
				want = unix.S_IFDIR | 0o555
			case r.name == "port":
				want = unix.S_IFREG | mode
			case r.name == "stream":
				want = unix.S_IFREG | mode&^0o111
			case r.kind == socket:
				want = unix.S_IFSOCK | (mode|mode>>1)&0o222
			case r.name == "peek":
				want = unix.S_IFREG | mode&0o444&(mode<<2)
			case r.write == nil, readOnly[path]:
				want = unix.S_IFREG | 0o444
			case r.in == bus.InRoot:
				want = unix.S_IFREG | 0o644
			default:
				want = unix.S_IFREG | 0o444 | manage
			}
			if f.row.in == bus.InRoot && path != "lan" {
				owner = fuse.Owner{Uid: 10, Gid: 20}
			}
			if a := m.stat(path); a.Mode != want || a.Owner != owner {
				t.Fatalf("port has %04o: %s has %o %v, want %o %v", mode, path, a.Mode, a.Owner, want, owner)
			}
		}
	}
}

// A port of its own number may have rights of its own; the network's then do
// not matter for it.
func TestPortRights(t *testing.T) {
	m := newLAN(t)
	ok(t, "chmod", m.chmod("lan/ports/2/port", 0o4622))
	ok(t, "chown", m.chown("lan/ports/2/port", 7, 8))
	ok(t, "chmod", m.chmod("lan/port", 0o600))
	if a := m.stat("lan/ports/2/port"); a.Mode != unix.S_IFREG|0o622 || a.Owner != (fuse.Owner{Uid: 7, Gid: 8}) {
		t.Errorf("ports/2/port has %o %v", a.Mode, a.Owner)
	}
	if a := m.stat("lan/port"); a.Mode != unix.S_IFREG|0o600 {
		t.Errorf("port has %o", a.Mode)
	}
}

// chmod and chown of what follows from others is refused, and changes
// nothing.
func TestChmodDerived(t *testing.T) {
	m := newLAN(t)
	for _, f := range files() {
		path := f.path
		if f.row.rule == nil {
			continue
		}
		before := m.stat(path)
		before.Size, before.Blocks = 0, 0 // errors grows
		wantStatus(t, "chmod "+path, m.chmod(path, 0o777), unix.EPERM)
		wantStatus(t, "chown "+path, m.chown(path, 3, 3), unix.EPERM)
		after := m.stat(path)
		after.Size, after.Blocks = 0, 0
		if after != before {
			t.Errorf("%s: refused, and it is %+v now", path, after)
		}
	}
}

func TestChmodRoot(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "chmod", m.chmod("", 0o1777))
	ok(t, "chown", m.chown("", 3, 4))
	if a := m.stat(""); a.Mode != unix.S_IFDIR|0o1777 || a.Owner != (fuse.Owner{Uid: 3, Gid: 4}) {
		t.Errorf("the root has %o %v", a.Mode, a.Owner)
	}
	if a := m.stat("errors"); a.Mode != unix.S_IFREG|0o644 || a.Owner != (fuse.Owner{Uid: 3, Gid: 4}) {
		t.Errorf("errors has %o %v", a.Mode, a.Owner)
	}
}

// A chmod and a chown at the same time both count, though the kernel does not do
// one after the other: each comes by a node of its own.
func TestChmodBesideChown(t *testing.T) {
	m := newLAN(t)
	for _, path := range []string{"", "lan", "lan/port", "lan/ports/2/port"} {
		byMode, byOwner := m.id(path), m.id(path)
		for i := range uint32(5000) {
			var both sync.WaitGroup
			set := func(id uint64, in fuse.SetAttrIn) {
				in.InHeader = m.header(id)
				both.Go(func() { m.SetAttr(nil, &in, &fuse.AttrOut{}) })
			}
			mode := i % 0o1000
			set(byMode, fuse.SetAttrIn{SetAttrInCommon: fuse.SetAttrInCommon{Valid: fuse.FATTR_MODE, Mode: mode}})
			set(byOwner, fuse.SetAttrIn{SetAttrInCommon: fuse.SetAttrInCommon{Valid: fuse.FATTR_UID | fuse.FATTR_GID, Owner: fuse.Owner{Uid: i, Gid: i + 1}}})
			both.Wait()
			if a := m.stat(path); a.Mode&^unix.S_IFMT != mode || a.Owner != (fuse.Owner{Uid: i, Gid: i + 1}) {
				t.Fatalf("%q: after chmod %04o beside chown %d:%d it has %o %v", path, mode, i, i+1, a.Mode, a.Owner)
			}
		}
	}
}

// Sizes and times are accepted and mean nothing: programs insist.
func TestTruncateAndTouch(t *testing.T) {
	m := newLAN(t)
	for _, f := range files() {
		path := f.path
		before := m.stat(path)
		in := fuse.SetAttrIn{}
		in.InHeader, in.Valid = m.header(m.id(path)), fuse.FATTR_SIZE|fuse.FATTR_MTIME|fuse.FATTR_ATIME
		in.Size, in.Mtime = 100, 12345
		wantStatus(t, "truncate "+path, m.SetAttr(nil, &in, &fuse.AttrOut{}), 0)
		if after := m.stat(path); after != before {
			t.Errorf("%s: %+v became %+v", path, before, after)
		}
	}
}

// stat shows the length of a text and 0 for a door. LOOKUP of a door says
// otherwise, for libaio and io_uring, and so it does of what it will not render.
func TestSizes(t *testing.T) {
	m := newLAN(t)
	ok(t, "name", m.write("lan/ports/2/name", "printer"))
	m.write("lan/mtu", "x") // a line in errors
	for _, f := range files() {
		path := f.path
		_, out, status := m.lookup(path)
		ok(t, path, status)
		size := 0
		if f.row.isText() {
			size = len(m.read(path))
		}
		if a := m.stat(path); a.Size != uint64(size) || a.Blocks != uint64(size+511)/512 {
			t.Errorf("stat %s: size %d, %d blocks, want %d", path, a.Size, a.Blocks, size)
		}
		if f.row.live {
			size = lookupSize
		}
		if out.Size != uint64(size) {
			t.Errorf("lookup %s: size %d, want %d", path, out.Size, size)
		}
		if out.AttrValid != 0 || out.EntryValid != 0 {
			t.Errorf("lookup %s may be remembered: rights change at once", path)
		}
	}
}

func TestStatFs(t *testing.T) {
	o := testOptions()
	o.Limits = bus.Limits{Ports: 100, Networks: 10, Memory: 4096 * 50}
	m := newMemory(t, o)
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	ok(t, "mkdir", m.mkdir("lan/ports/1", 0))
	var out fuse.StatfsOut
	ok(t, "statfs", m.StatFs(nil, nil, &out))
	if got := fmt.Sprint(out.Blocks, out.Bfree, out.Files, out.Ffree, out.NameLen); got != "50 50 100 99 64" {
		t.Errorf("blocks, free, files, free, longest name: %s", got)
	}
}
