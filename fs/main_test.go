package fs

import (
	"io"
	"log"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // go-fuse tells of each odd request
	goleak.VerifyTestMain(m)
}

// hub is the policy of most tests: all frames go to all.
const hub = "hub"

type hubPolicy struct{}

func (hubPolicy) Name() string                                              { return hub }
func (hubPolicy) Forward(_ policy.Port, _ *frame.Frame, out *policy.Egress) { out.Flood() }

func init() {
	policy.Register(policy.Type{Name: hub, Summary: "all to all", New: func(args map[string]string) (policy.Policy, error) {
		for key := range args {
			return nil, fail.Errorf(fail.Invalid, "unknown argument %q", key)
		}
		return hubPolicy{}, nil
	}})
}

// fakePolicy is another one, of which limit=N is an argument.
const fakePolicy = bustest.FakeName

func testOptions() Options {
	return Options{
		Root: bus.Access{Mode: 0o755, UID: 10, GID: 20}, Limits: bus.DefaultLimits(), Policy: hub, Version: "ipnfs test",
	}
}

// memory is a tree without a kernel: the test calls what the kernel would.
// Its device swallows all answers.
type memory struct {
	*FS
	t     testing.TB
	place string // where sockets are bound, see openSockets
}

func newMemory(t testing.TB, o Options) *memory {
	t.Helper()
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{FS: New(null, o), t: t}
	t.Cleanup(func() {
		if err := m.Serve(); err != unix.EBADF { // it releases all, and cannot read
			t.Errorf("the end of the tree: %v", err)
		}
		if used := m.bus.Memory.Used(); used != 0 {
			t.Errorf("%d bytes of memory are left", used)
		}
		if ports := m.bus.PortsUsed(); ports != 0 {
			t.Errorf("%d ports are left", ports)
		}
	})
	return m
}

// header is that of a request from uid 1, gid 2.
func (m *memory) header(id uint64) fuse.InHeader {
	return fuse.InHeader{NodeId: id, Caller: fuse.Caller{Owner: fuse.Owner{Uid: 1, Gid: 2}}}
}

// lookup walks a path from the root.
func (m *memory) lookup(path string) (id uint64, out fuse.EntryOut, status fuse.Status) {
	id = fuse.FUSE_ROOT_ID
	for _, name := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' }) {
		h := m.header(id)
		if status = m.Lookup(nil, &h, name, &out); !status.Ok() {
			return 0, out, status
		}
		id = out.NodeId
	}
	return id, out, fuse.OK
}

// id is that of a path that exists.
func (m *memory) id(path string) uint64 {
	m.t.Helper()
	id, _, status := m.lookup(path)
	if !status.Ok() {
		m.t.Fatalf("lookup %s: %v", path, status)
	}
	return id
}

func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:i+1], path[i+1:]
}

func (m *memory) mkdir(path string, mode uint32) fuse.Status {
	dir, name := split(path)
	return m.Mkdir(nil, &fuse.MkdirIn{InHeader: m.header(m.id(dir)), Mode: mode}, name, &fuse.EntryOut{})
}

// mknod is a mknod(2) by a thread of that number.
func (m *memory) mknod(path string, mode, thread uint32) fuse.Status {
	dir, name := split(path)
	h := m.header(m.id(dir))
	h.Pid = thread
	return m.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: mode}, name, &fuse.EntryOut{})
}

func (m *memory) rmdir(path string) fuse.Status {
	dir, name := split(path)
	h := m.header(m.id(dir))
	return m.Rmdir(nil, &h, name)
}

func (m *memory) mv(from, to string) fuse.Status {
	fromDir, oldName := split(from)
	toDir, newName := split(to)
	return m.Rename(nil, &fuse.RenameIn{InHeader: m.header(m.id(fromDir)), Newdir: m.id(toDir)}, oldName, newName)
}

// open opens a file; a door's handle is released when the test ends.
func (m *memory) open(path string, flags uint32) (uint64, fuse.Status) {
	m.t.Helper()
	var out fuse.OpenOut
	status := m.Open(nil, &fuse.OpenIn{InHeader: m.header(m.id(path)), Flags: flags}, &out)
	return out.Fh, status
}

// write writes one command, as echo does.
func (m *memory) write(path, command string) fuse.Status {
	m.t.Helper()
	fh, status := m.open(path, unix.O_WRONLY)
	if !status.Ok() {
		m.t.Fatalf("open %s: %v", path, status)
	}
	defer m.Release(nil, &fuse.ReleaseIn{Fh: fh})
	n, status := m.Write(nil, &fuse.WriteIn{InHeader: m.header(0), Fh: fh}, []byte(command))
	if status.Ok() && int(n) != len(command) {
		m.t.Errorf("write %s: %d of %d bytes", path, n, len(command))
	}
	return status
}

// read reads a text file to its end.
func (m *memory) read(path string) string {
	m.t.Helper()
	fh, status := m.open(path, unix.O_RDONLY)
	if !status.Ok() {
		m.t.Fatalf("open %s: %v", path, status)
	}
	defer m.Release(nil, &fuse.ReleaseIn{Fh: fh})
	var text []byte
	for {
		buf := make([]byte, 1000)
		r, status := m.Read(nil, &fuse.ReadIn{InHeader: m.header(0), Fh: fh, Offset: uint64(len(text)), Size: uint32(len(buf))}, buf)
		if !status.Ok() {
			m.t.Fatalf("read %s: %v", path, status)
		}
		data, _ := r.Bytes(buf)
		if len(data) == 0 {
			return string(text)
		}
		text = append(text, data...)
	}
}

// stat is what stat(2) shows of a path.
func (m *memory) stat(path string) fuse.Attr {
	m.t.Helper()
	var out fuse.AttrOut
	if status := m.GetAttr(nil, &fuse.GetAttrIn{InHeader: m.header(m.id(path))}, &out); !status.Ok() {
		m.t.Fatalf("stat %s: %v", path, status)
	}
	return out.Attr
}

func (m *memory) chmod(path string, mode uint32) fuse.Status {
	in := fuse.SetAttrIn{}
	in.InHeader, in.Valid, in.Mode = m.header(m.id(path)), fuse.FATTR_MODE, mode
	return m.SetAttr(nil, &in, &fuse.AttrOut{})
}

func (m *memory) chown(path string, uid, gid uint32) fuse.Status {
	in := fuse.SetAttrIn{}
	in.InHeader, in.Valid = m.header(m.id(path)), fuse.FATTR_UID|fuse.FATTR_GID
	in.Uid, in.Gid = uid, gid
	return m.SetAttr(nil, &in, &fuse.AttrOut{})
}

// ls lists the names in a directory.
func (m *memory) ls(path string) []string {
	m.t.Helper()
	var out fuse.OpenOut
	if status := m.OpenDir(nil, &fuse.OpenIn{InHeader: m.header(m.id(path))}, &out); !status.Ok() {
		m.t.Fatalf("opendir %s: %v", path, status)
	}
	defer m.ReleaseDir(&fuse.ReleaseIn{Fh: out.Fh})
	var names []string
	for _, e := range m.file(out.Fh).(*dirHandle).entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// ok fails the test if one of the calls did not succeed.
func ok(t testing.TB, what string, status fuse.Status) {
	t.Helper()
	if !status.Ok() {
		t.Fatalf("%s: %v", what, status)
	}
}

// wantStatus checks an answer.
func wantStatus(t testing.TB, what string, got fuse.Status, want unix.Errno) {
	t.Helper()
	if got != fuse.Status(want) {
		t.Errorf("%s: %v, want %v", what, got, fuse.Status(want))
	}
}

func readIn(fh uint64, offset, size int) *fuse.ReadIn {
	return &fuse.ReadIn{Fh: fh, Offset: uint64(offset), Size: uint32(size)}
}

func writeIn(fh uint64) *fuse.WriteIn { return &fuse.WriteIn{Fh: fh} }
