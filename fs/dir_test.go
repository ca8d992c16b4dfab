package fs

import (
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

func TestListings(t *testing.T) {
	m := newLAN(t)
	ok(t, "mkdir", m.mkdir("z", 0o755))
	for path, want := range map[string]string{
		"":            ". .. errors features lamp lan metrics policies version z",
		"z":           ". .. dial errors events linktype maxports mtu overflow peek persist plug policy port ports queue stats stream tap",
		"lan":         ". .. dial errors events fake linktype maxports mtu overflow peek persist plug policy port ports queue stats stream tap",
		"lan/fake":    ". .. limit mute ports ticks",
		"lan/ports":   ". .. 1024 2",
		"lan/ports/2": ". .. gauge info mirror name overflow port queue silent stats tag",
		"z/ports":     ". ..",
	} {
		if got := strings.Join(m.ls(path), " "); got != want {
			t.Errorf("%q holds\n%s, want\n%s", path, got, want)
		}
	}
	// What is listed is found, with the same inode number and type.
	for _, dir := range []string{"", "lan", "lan/ports", "lan/ports/2", "lan/fake"} {
		n := m.node(m.id(dir))
		for _, e := range m.list(&n)[2:] {
			if a := m.stat(dir + "/" + e.Name); a.Ino != e.Ino || a.Mode&unix.S_IFMT != e.Mode {
				t.Errorf("%s/%s is listed as inode %d type %o, and is %d %o", dir, e.Name, e.Ino, e.Mode, a.Ino, a.Mode)
			}
		}
	}
}

// A listing in pieces is the listing at opendir.
func TestReadDirInPieces(t *testing.T) {
	m := newLAN(t)
	var open fuse.OpenOut
	ok(t, "opendir", m.OpenDir(nil, &fuse.OpenIn{InHeader: m.header(m.id("lan"))}, &open))
	want := len(m.file(open.Fh).(*dirHandle).entries)
	ok(t, "mkdir", m.mkdir("other", 0o755))
	got := 0
	for {
		list := fuse.NewDirEntryList(make([]byte, 100), uint64(got))
		ok(t, "readdir", m.ReadDir(nil, &fuse.ReadIn{Fh: open.Fh, Offset: uint64(got)}, list))
		if list.Offset == uint64(got) {
			break
		}
		got = int(list.Offset)
	}
	if got != want {
		t.Errorf("read %d entries, want %d", got, want)
	}
	m.ReleaseDir(&fuse.ReleaseIn{Fh: open.Fh})
	wantStatus(t, "readdir after its end", m.ReadDir(nil, &fuse.ReadIn{Fh: open.Fh}, nil), unix.EBADF)
}

func TestLookups(t *testing.T) {
	m := newLAN(t)
	for path, want := range map[string]unix.Errno{
		"lan": 0, "lan/": 0, "lan/fake/limit": 0, "lan/tap": 0, "lan/ports/2/tag": 0, "lan/ports/1024/tag": 0,
		"lan/grab": unix.ENOENT, "lan/hub": unix.ENOENT, "lan/limit": unix.ENOENT, "lan/fake/tag": unix.ENOENT, "lan/fake/fake": unix.ENOENT,
		"lan/ports/2/limit": unix.ENOENT, "lan/ports/1/tag": unix.ENOENT, "lan/fake/mtu": unix.ENOENT, "lan/fake/limit/x": unix.ENOENT,
		"lan/port": 0, "lan/ports/2": 0, "lan/ports/2/port": 0, "version": 0,
		"wan": unix.ENOENT, "policies.d": unix.ENOENT, "mtu": unix.ENOENT, "ports": unix.ENOENT,
		"lan/version": unix.ENOENT, "lan/2": unix.ENOENT, "lan/lan": unix.ENOENT,
		"lan/ports/1": unix.ENOENT, "lan/ports/02": unix.ENOENT, "lan/ports/+2": unix.ENOENT, "lan/ports/0": unix.ENOENT,
		"lan/ports/-2": unix.ENOENT, "lan/ports/2 ": unix.ENOENT, "lan/ports/port": unix.ENOENT, "lan/ports/99999999999999999999": unix.ENOENT,
		"lan/ports/2/mtu": unix.ENOENT, "lan/ports/2/2": unix.ENOENT, "lan/mtu/x": unix.ENOENT, "lan/port/port": unix.ENOENT,
	} {
		_, _, status := m.lookup(path)
		wantStatus(t, "lookup "+path, status, want)
	}
	root := m.header(fuse.FUSE_ROOT_ID)
	wantStatus(t, "lookup of an empty name", m.Lookup(nil, &root, "", &fuse.EntryOut{}), unix.ENOENT)
}

func TestMkdir(t *testing.T) {
	o := testOptions()
	o.Limits.Networks = 3
	m := newMemory(t, o)
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	for path, want := range map[string]unix.Errno{
		"lan": unix.EEXIST, "policies.d": unix.EEXIST, "version": unix.EEXIST, "errors": unix.EEXIST,
		".hidden": unix.EINVAL, "a b": unix.EINVAL, "a\nb": unix.EINVAL, "\xff": unix.EINVAL,
		strings.Repeat("x", 65): unix.ENAMETOOLONG, strings.Repeat("x", 255): unix.ENAMETOOLONG,
		"lan/x": unix.EPERM, "lan/ports/0": unix.ERANGE, "lan/ports/1025": unix.ERANGE, "lan/ports/x": unix.EINVAL,
		"lan/ports/07": unix.EINVAL, "lan/ports/-1": unix.ERANGE,
	} {
		wantStatus(t, "mkdir "+path, m.mkdir(path, 0o755), want)
	}
	ok(t, "mkdir", m.mkdir("lan/ports/1024", 0o755))
	wantStatus(t, "again", m.mkdir("lan/ports/1024", 0o755), unix.EEXIST)
	wantStatus(t, "in a port", m.mkdir("lan/ports/1024/x", 0o755), unix.EPERM)
	ok(t, "mkdir", m.mkdir("2", 0o755))
	ok(t, "mkdir", m.mkdir("3", 0o755))
	wantStatus(t, "over networks_max", m.mkdir("4", 0o755), unix.ENOSPC)
	if got := strings.Join(m.ls(""), " "); got != ". .. 2 3 errors features lamp lan metrics policies version" {
		t.Errorf("the root holds %s", got)
	}
}

func TestRmdir(t *testing.T) {
	m := newLAN(t)
	for path, want := range map[string]unix.Errno{
		"wan": unix.ENOENT, "version": unix.ENOTDIR, "lan/port": unix.ENOTDIR, "lan/ports": unix.EPERM, "lan": unix.EBUSY,
		"lan/ports/7": unix.ENOENT, "lan/ports/2/info": unix.ENOTDIR,
		"lan/fake": unix.EPERM, "lan/fake/limit": unix.ENOTDIR,
	} {
		wantStatus(t, "rmdir "+path, m.rmdir(path), want)
	}
	ok(t, "rmdir", m.rmdir("lan/ports/2"))
	wantStatus(t, "again", m.rmdir("lan/ports/2"), unix.ENOENT)
	ok(t, "rmdir", m.rmdir("lan/ports/1024"))
	ok(t, "rmdir", m.rmdir("lan"))
	wantStatus(t, "again", m.rmdir("lan"), unix.ENOENT)
}

func TestRename(t *testing.T) {
	m := newLAN(t)
	ok(t, "mkdir", m.mkdir("wan", 0o755))
	for names, want := range map[string]unix.Errno{
		"lan wan": unix.EEXIST, "lan version": unix.EEXIST, "lan policies.d": unix.EEXIST, "nothing x": unix.ENOENT,
		"version x": unix.EPERM, "lan lan/x": unix.EPERM, "lan/port x": unix.EPERM, "lan/ports/2 lan/ports/3": unix.EPERM, "lan/fake lan/x": unix.EPERM,
		"lan .x": unix.EINVAL, "lan " + strings.Repeat("x", 65): unix.ENAMETOOLONG,
	} {
		from, to, _ := strings.Cut(names, " ")
		wantStatus(t, "mv "+names, m.mv(from, to), want)
	}
	id := m.id("lan/mtu")
	ok(t, "mv", m.mv("lan", "net"))
	if n := m.node(id); n.gone || n.path() != "net/mtu" {
		t.Errorf("a node of lan is %s after the renaming", n.path())
	}
	wantStatus(t, "exchange", m.Rename(nil, &fuse.RenameIn{InHeader: m.header(1), Newdir: 1, Flags: unix.RENAME_EXCHANGE}, "net", "wan"), unix.EINVAL)
	wantStatus(t, "no replace", m.Rename(nil, &fuse.RenameIn{InHeader: m.header(1), Newdir: 1, Flags: unix.RENAME_NOREPLACE}, "net", "lan"), 0)
}

// Whatever else would change a directory is refused.
func TestOtherChanges(t *testing.T) {
	m := newLAN(t)
	for _, dir := range []string{"", "lan", "lan/ports", "lan/ports/2", "lan/fake"} {
		h := m.header(m.id(dir))
		for what, status := range map[string]fuse.Status{
			"create":  m.Create(nil, &fuse.CreateIn{InHeader: h}, "x", &fuse.CreateOut{}),
			"mknod":   m.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: unix.S_IFIFO}, "x", &fuse.EntryOut{}),
			"symlink": m.Symlink(nil, &h, "target", "x", &fuse.EntryOut{}),
			"link":    m.Link(nil, &fuse.LinkIn{InHeader: h, Oldnodeid: m.id("version")}, "x", &fuse.EntryOut{}),
			"unlink":  m.Unlink(nil, &h, "port"),
		} {
			wantStatus(t, what+" in "+dir, status, unix.EPERM)
		}
	}
	wantStatus(t, "fallocate", m.Fallocate(nil, nil), unix.EOPNOTSUPP)
	if got := m.bus.Network("lan").Ports(); len(got) != 2 {
		t.Errorf("ports are %v", got)
	}
}

// An open report that is large is charged to the memory of the mount.
func TestManyOpenReports(t *testing.T) {
	o := testOptions()
	o.Limits = bus.Limits{Ports: 1 << 20, Networks: 100, Memory: 1 << 20}
	m := newMemory(t, o)
	for i := range 60 {
		ok(t, "mkdir", m.mkdir(strings.Repeat("n", 1+i), 0o755))
	}
	var open []uint64
	refused := false
	for range 200 {
		fh, status := m.open("metrics", unix.O_RDONLY)
		ok(t, "open", status)
		open = append(open, fh)
		_, status = m.Read(nil, &fuse.ReadIn{InHeader: m.header(0), Fh: fh}, make([]byte, 10))
		refused = refused || status == fuse.Status(unix.ENOBUFS)
	}
	if used := m.bus.Memory.Used(); !refused || used > m.bus.Memory.Limit() {
		t.Errorf("200 open reports: refused %v, %d bytes are used", refused, used)
	}
	for _, fh := range open {
		m.Release(nil, &fuse.ReleaseIn{Fh: fh})
	}
	if used := m.bus.Memory.Used(); used != 0 {
		t.Errorf("%d bytes are used when all are closed", used)
	}
}
