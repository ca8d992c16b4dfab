package fs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// What settings take, and what they show then: by default what was written.
var commands = []struct {
	path, command string
	errno         unix.Errno
	shows         string
}{
	{"lan/mtu", "1500", 0, "1500"},
	{"lan/mtu", "1500\n", 0, "1500"},
	{"lan/mtu", "  1500 \t\n", 0, "1500"},
	{"lan/mtu", "60", 0, "60"},
	{"lan/mtu", "1044480", 0, "1044480"},
	{"lan/mtu", "007", unix.ERANGE, ""},
	{"lan/mtu", "0060", 0, "60"},
	{"lan/mtu", "59", unix.ERANGE, ""},
	{"lan/mtu", "1044481", unix.ERANGE, ""},
	{"lan/mtu", "99999999999999999999", unix.ERANGE, ""},
	{"lan/mtu", "", unix.EINVAL, ""},
	{"lan/mtu", "\n", unix.EINVAL, ""},
	{"lan/mtu", " ", unix.EINVAL, ""},
	{"lan/mtu", "-60", unix.EINVAL, ""},
	{"lan/mtu", "+60", unix.EINVAL, ""},
	{"lan/mtu", "60 70", unix.EINVAL, ""},
	{"lan/mtu", "60\n70", unix.EINVAL, ""},
	{"lan/mtu", "60\n\n", unix.EINVAL, ""},
	{"lan/mtu", "0x100", unix.EINVAL, ""},
	{"lan/mtu", "1e3", unix.EINVAL, ""},
	{"lan/mtu", "٦٠", unix.EINVAL, ""},
	{"lan/mtu", "60\x00", unix.EINVAL, ""},
	{"lan/mtu", "\xff\xfe", unix.EINVAL, ""},
	{"lan/mtu", strings.Repeat(" ", 4000) + "1500", 0, "1500"},
	{"lan/mtu", strings.Repeat(" ", 4096) + "1500", unix.ERANGE, ""},
	{"lan/mtu", strings.Repeat("1", 1<<20), unix.ERANGE, ""},
	{"lan/queue", "1", 0, "1"},
	{"lan/queue", "65536", 0, "65536"},
	{"lan/queue", "0", unix.ERANGE, ""},
	{"lan/queue", "65537", unix.ERANGE, ""},
	{"lan/overflow", "drop-old", 0, "drop-old"},
	{"lan/overflow", "block\n", 0, "block"},
	{"lan/overflow", "disconnect", 0, "disconnect"},
	{"lan/overflow", "drop", unix.EINVAL, ""},
	{"lan/overflow", "Block", unix.EINVAL, ""},
	{"lan/maxports", "1024", 0, "1024"},
	{"lan/maxports", "65536", 0, "65536"},
	{"lan/maxports", "1023", unix.EADDRINUSE, ""}, // 1024 is reserved
	{"lan/maxports", "0", unix.ERANGE, ""},
	{"lan/maxports", "65537", unix.ERANGE, ""},
	{"lan/persist", "0", 0, "0"},
	{"lan/persist", "1", 0, "1"},
	{"lan/persist", "2", unix.EINVAL, ""},
	{"lan/persist", "yes", unix.EINVAL, ""},
	{"lan/linktype", "raw", 0, "raw"},
	{"lan/linktype", "user0", 0, "user0"},
	{"lan/linktype", "user1", unix.EINVAL, ""},
	{"lan/policy", fakePolicy, 0, fakePolicy},
	{"lan/policy", fakePolicy + "   limit=5 ", 0, fakePolicy + " limit=5"},
	{"lan/policy", hub, 0, hub},
	{"lan/policy", "nothing", unix.ENOENT, ""},
	{"lan/policy", hub + " x=1", unix.EINVAL, ""},
	{"lan/policy", hub + " x", unix.EINVAL, ""},
	{"lan/policy", fakePolicy + " limit=101", unix.ERANGE, ""},
	{"lan/stats", "rest", unix.EINVAL, ""},
	{"lan/errors", "x", unix.EINVAL, ""},
	{"errors", "x", unix.EINVAL, ""},
	{"lan/ports/2/queue", "7", 0, "7"},
	{"lan/ports/2/queue", "network", 0, "256"},
	{"lan/ports/2/queue", "0", unix.ERANGE, ""},
	{"lan/ports/2/queue", "65537", unix.ERANGE, ""},
	{"lan/ports/2/queue", "x", unix.EINVAL, ""},
	{"lan/ports/2/overflow", "block", 0, "block"},
	{"lan/ports/2/overflow", "network", 0, "drop-new"},
	{"lan/ports/2/overflow", "inherit", unix.EINVAL, ""},
	{"lan/ports/2/name", "two words", 0, "two words"},
	{"lan/ports/2/name", "Drucker für Übung", 0, "Drucker für Übung"},
	{"lan/ports/2/name", strings.Repeat("x", 128), 0, strings.Repeat("x", 128)},
	{"lan/ports/2/name", strings.Repeat("x", 129), unix.ERANGE, ""},
	{"lan/ports/2/name", "a\x1bb", unix.EINVAL, ""},
	{"lan/ports/2/name", "a\u009bb", unix.EINVAL, ""},
	{"lan/ports/2/mirror", "7", 0, "7"},
	{"lan/ports/2/mirror", "1024 7,,9, 7", 0, "7 9 1024"},
	{"lan/ports/2/mirror", "2", unix.EINVAL, ""},
	{"lan/ports/2/mirror", "0", unix.ERANGE, ""},
	{"lan/ports/2/mirror", "65537", unix.ERANGE, ""},
	{"lan/ports/2/mirror", "7 all", unix.EINVAL, ""},
	{"lan/ports/2/mirror", "none 7", unix.EINVAL, ""},
	{"lan/fake/mute", "+7", 0, "7"},
	{"lan/fake/mute", "7", unix.EINVAL, ""},
	{"lan/fake/mute", "+0", unix.ERANGE, ""},
	{"lan/fake/mute", "\n", unix.EINVAL, ""}, // the policy's own refusal
	{"lan/fake/limit", "100", 0, "100"},
	{"lan/fake/limit", "101", unix.ERANGE, ""},
	{"lan/fake/ticks", "1", unix.EPERM, ""},
	{"lan/fake/ports", "1", unix.EPERM, ""},
	{"lan/ports/2/tag", "4094", 0, "4094"},
	{"lan/ports/2/tag", "4095", unix.ERANGE, ""},
	{"lan/ports/2/silent", "true", unix.EPERM, ""},
	{"lan/ports/2/stats", "", unix.EINVAL, ""},
	{"lan/ports/2/stats", "resets", unix.EINVAL, ""},
	{"version", "x", unix.EPERM, ""},
	{"metrics", "x", unix.EPERM, ""},
	{"lan/ports/2/info", "x", unix.EPERM, ""},
}

func TestCommands(t *testing.T) {
	for _, c := range commands {
		m := newLAN(t)
		before := state(m)
		what := fmt.Sprintf("echo %.30q > %s", c.command, c.path)
		wantStatus(t, what, m.write(c.path, c.command), c.errno)
		if c.errno == 0 {
			if got := m.read(c.path); got != c.shows+"\n" {
				t.Errorf("%s: it shows %q", what, got)
			}
		} else {
			checkRefused(t, m, what, before)
		}
	}
}

// checkRefused checks that a refusal changed nothing and stands in errors.
func checkRefused(t *testing.T, m *memory, what string, before map[string]string) {
	t.Helper()
	for path, text := range state(m) {
		if text != before[path] {
			t.Errorf("%s was refused, and %s was %q, is %q", what, path, before[path], text)
		}
	}
	if lines := strings.Count(m.read("errors"), "\n"); lines != 1 {
		t.Errorf("%s was refused, and errors has %d lines", what, lines)
	}
}

// state is all that a refused command must leave as it is.
func state(m *memory) map[string]string {
	all := map[string]string{}
	for _, f := range files() {
		if f.row.isText() && f.row.name != "errors" {
			all[f.path] = m.read(f.path)
		}
		a := m.stat(f.path)
		all[f.path+" stat"] = fmt.Sprintf("%o %v", a.Mode, a.Owner)
	}
	all["ports"] = fmt.Sprint(m.ls("lan/ports"), m.ls(""))
	return all
}

// What a setting shows it takes, and that changes nothing.
func TestSettingsTakeWhatTheyShow(t *testing.T) {
	m := newLAN(t)
	ok(t, "name", m.write("lan/ports/2/name", "my port"))
	ok(t, "mirror", m.write("lan/ports/2/mirror", "1024, 7"))
	before := state(m)
	for _, f := range files() {
		switch {
		case f.row.write == nil, f.path == "lan/tap", readOnly[f.path]:
		case f.row.name == "stats", f.row.name == "errors", f.path == "lan/fake/mute":
		default:
			ok(t, f.path, m.write(f.path, m.read(f.path)))
		}
	}
	if after := state(m); !maps.Equal(before, after) {
		t.Errorf("state was\n%v, is\n%v", before, after)
	}
}

// What can be empty, how it becomes so, and that it shows nothing then.
func TestEmptySettings(t *testing.T) {
	m := newLAN(t)
	for _, c := range [][3]string{
		{"lan/ports/2/name", "x", "\n"}, {"lan/ports/2/mirror", "7", "\n"}, {"lan/ports/2/mirror", "7", "none"},
	} {
		ok(t, c[0], m.write(c[0], c[1]))
		ok(t, "empty", m.write(c[0], c[2]))
		if got := m.read(c[0]); got != "" {
			t.Errorf("%s is empty and shows %q", c[0], got)
		}
	}
}

// Text is rendered when it is read from the start: a reader in small pieces
// sees one state.
func TestReadInPieces(t *testing.T) {
	m := newLAN(t)
	fh, status := m.open("lan/mtu", unix.O_RDONLY)
	ok(t, "open", status)
	first := readAt(m, fh, 0, 2)
	ok(t, "change", m.write("lan/mtu", "999"))
	if got := first + readAt(m, fh, 2, 2) + readAt(m, fh, 4, 10) + readAt(m, fh, 6, 10) + readAt(m, fh, 1<<40, 10); got != "65535\n" {
		t.Errorf("read in pieces: %q", got)
	}
	if got := readAt(m, fh, 0, 100); got != "999\n" {
		t.Errorf("read again from the start: %q", got)
	}
}

func readAt(m *memory, fh uint64, offset, size int) string {
	buf := make([]byte, size)
	r, status := m.Read(nil, readIn(fh, offset, size), buf)
	ok(m.t, "read", status)
	data, _ := r.Bytes(buf)
	return string(data)
}

// Who asks for the size of the open file and then reads gets as much as he was
// told, whatever changes in between; the next read from the start is new.
func TestSizeThenRead(t *testing.T) {
	m := newLAN(t)
	id := m.id("lan/errors")
	var out fuse.OpenOut
	ok(t, "open", m.Open(nil, &fuse.OpenIn{InHeader: m.header(id)}, &out))
	size := func(id uint64) int {
		var attr fuse.AttrOut
		ok(t, "stat", m.GetAttr(nil, &fuse.GetAttrIn{InHeader: m.header(id)}, &attr))
		return int(attr.Size)
	}
	refuse := func() { wantStatus(t, "refused", m.write("lan/mtu", "none"), unix.EINVAL) }
	refuse()
	if size(id) != len(m.read("lan/errors")) {
		t.Errorf("size %d of %q", size(id), m.read("lan/errors"))
	}
	refuse()
	told := size(id)
	refuse()
	if other := size(m.id("lan/errors")); other <= told {
		t.Errorf("size %d of a file that somebody else looks at, before %d", other, told)
	}
	if text := readAt(m, out.Fh, 0, 9999); len(text) != told || strings.Count(text, "\n") != 2 {
		t.Errorf("size %d, and read %q", told, text)
	}
	if again := size(id); again != told {
		t.Errorf("size %d, then %d of a text that was read", told, again)
	}
	if text := readAt(m, out.Fh, 0, 9999); strings.Count(text, "\n") != 3 {
		t.Errorf("read again from the start: %q", text)
	}
	h := m.openNode(id)
	m.Release(nil, &fuse.ReleaseIn{Fh: out.Fh})
	if h.read = false; h.size(m.FS) != 0 || h.kept {
		t.Error("a stat that comes too late holds a text")
	}
	if len(m.byNode) != 0 {
		t.Errorf("nodes that are open: %v", m.byNode)
	}
}

// What is read first may be the end, as tail reads it.
func TestReadOfTheEnd(t *testing.T) {
	m := newLAN(t)
	for _, path := range []string{"lan/mtu", "lan/stats"} {
		fh, status := m.open(path, unix.O_RDONLY)
		ok(t, "open", status)
		if text, want := readAt(m, fh, 2, 9999), m.read(path)[2:]; text != want {
			t.Errorf("%s from 2 on: %q, want %q", path, text, want)
		}
		m.Release(nil, &fuse.ReleaseIn{Fh: fh})
	}
}

// A text is charged before it is made: one that the memory has no room for is
// not, and shows no size.
func TestSizeIsCharged(t *testing.T) {
	o := testOptions()
	o.Limits.Memory = 64 << 10
	m := newMemory(t, o)
	for i := range 200 {
		ok(t, "mkdir", m.mkdir(fmt.Sprint("n", i), 0o755))
	}
	id := m.id("metrics")
	var out fuse.OpenOut
	ok(t, "open", m.Open(nil, &fuse.OpenIn{InHeader: m.header(id)}, &out))
	var attr fuse.AttrOut
	ok(t, "stat", m.GetAttr(nil, &fuse.GetAttrIn{InHeader: m.header(id)}, &attr))
	if attr.Size != 0 {
		t.Errorf("a size of %d of a text for which there is no memory", attr.Size)
	}
	if _, status := m.Read(nil, readIn(out.Fh, 0, 10), nil); status != fuse.Status(unix.ENOBUFS) {
		t.Errorf("a text larger than all memory: %v", status)
	}
	m.Release(nil, &fuse.ReleaseIn{Fh: out.Fh})
}

// A file of a network that has ended says so.
func TestTextOfTheGone(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	fh, status := m.open("lan/mtu", unix.O_RDWR)
	ok(t, "open", status)
	ok(t, "rmdir", m.rmdir("lan"))
	_, status = m.Read(nil, readIn(fh, 0, 10), make([]byte, 10))
	wantStatus(t, "read", status, unix.ENODEV)
	_, status = m.Write(nil, writeIn(fh), []byte("1500"))
	wantStatus(t, "write", status, unix.ENODEV)
	_, status = m.Read(nil, readIn(fh+1000, 0, 10), make([]byte, 10))
	wantStatus(t, "read of no handle", status, unix.EBADF)
	_, status = m.Write(nil, writeIn(fh+1000), []byte("1500"))
	wantStatus(t, "write to no handle", status, unix.EBADF)
}

// FuzzCommand writes anything to every file that can be written. What is
// refused changes nothing, whatever is accepted can be read.
func FuzzCommand(f *testing.F) {
	var texts []string
	for _, file := range files() {
		if file.row.isText() {
			texts = append(texts, file.path)
		}
	}
	for _, c := range commands {
		f.Add(uint8(slices.Index(texts, c.path)), []byte(c.command))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		m := newLAN(t)
		path := texts[int(which)%len(texts)]
		before := state(m)
		status := m.write(path, string(data))
		what := fmt.Sprintf("echo %.60q > %s", data, path)
		if !status.Ok() {
			checkRefused(t, m, what, before)
			if status == 5 {
				t.Errorf("%s: EIO: a refusal without a kind", what)
			}
		}
		if m.bus.Network("lan").Policy().Name() != fakePolicy {
			return // its files are gone
		}
		for path, text := range state(m) {
			if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && (r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0) }) {
				t.Errorf("%s: %s shows control characters: %q", what, path, text)
			}
		}
		if text := m.read("errors"); strings.Count(text, "\n") > 1 || len(text) > 4000 {
			t.Errorf("%s: one refusal became %q", what, text)
		}
	})
}
