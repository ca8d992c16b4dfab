package fs

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

func TestErrnos(t *testing.T) {
	for kind := fail.Invalid; kind <= fail.Unsupported; kind++ {
		if errnos[kind] == 0 {
			t.Errorf("kind %d has no errno", kind)
		}
		if got := statusOf(fail.Errorf(kind, "x")); got != fuse.Status(errnos[kind]) {
			t.Errorf("kind %d is answered by %v", kind, got)
		}
	}
	if statusOf(nil) != fuse.OK || statusOf(errors.New("plain")) != fuse.EIO {
		t.Error("no error is success, a plain one EIO")
	}
}

var errorLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (\d+) (\d+) (\S+): (.*?): (.+)\n$`)

func TestErrorLines(t *testing.T) {
	m := newLAN(t)
	pid := uint32(os.Getpid())
	fh, status := m.open("lan/mtu", unix.O_WRONLY)
	ok(t, "open", status)
	in := writeIn(fh)
	in.InHeader = fuse.InHeader{Caller: fuse.Caller{Owner: fuse.Owner{Uid: 1000}, Pid: pid}}
	_, status = m.Write(nil, in, []byte("abc \"x\"\x1b\n"))
	wantStatus(t, "write", status, unix.EINVAL)
	for path, line := range map[string]string{"errors": m.Errors(), "lan/errors": m.read("lan/errors")} {
		file := map[string]string{"errors": "lan/mtu", "lan/errors": "mtu"}[path]
		match := errorLine.FindStringSubmatch(line)
		if match == nil {
			t.Fatalf("%s holds %q", path, line)
		}
		if got := fmt.Sprintf("%q", match[1:5]); got != fmt.Sprintf("%q", []string{"1000", fmt.Sprint(pid), file, `abc "x"\x1b`}) {
			t.Errorf("%s: uid, pid, file, command are %s", path, got)
		}
		if !strings.Contains(match[5], "control") {
			t.Errorf("%s: the reason is %q", path, match[5])
		}
	}
}

// What a part tells of what goes on behind a file stands there as well, as of who
// attached it. Of a network that has ended nobody is told, nor of what is no file.
func TestToldLines(t *testing.T) {
	m := newLAN(t)
	n := m.bus.Network("lan")
	by := bus.Info{Kind: "tap", UID: 1000, PID: 77}
	n.Tell(by, "x://y z\x1b", errors.New("it\nbroke"))
	for file, line := range map[string]string{"lan/tap": m.Errors(), "tap": m.read("lan/errors")} {
		match := errorLine.FindStringSubmatch(line)
		if want := []string{"1000", "77", file, `x://y z\x1b`, `it\nbroke`}; match == nil || !slices.Equal(match[1:], want) {
			t.Errorf("%q is read as %q, want %q", line, match, want)
		}
	}
	before := m.Errors()
	by.Kind = "none"
	n.Tell(by, "x", errors.New("y"))
	n.End()
	by.Kind = "tap"
	n.Tell(by, "x", errors.New("y"))
	if m.Errors() != before {
		t.Errorf("errors holds %q, before %q", m.Errors(), before)
	}
}

// Refusals of all kinds of calls stand in errors: the root's, and the
// network's if there is one.
func TestWhatIsInErrors(t *testing.T) {
	m := newLAN(t)
	m.mkdir("a b", 0o755)
	m.mkdir("lan/ports/9999", 0o755)
	m.rmdir("lan")
	m.mv("lan", "version")
	m.chmod("lan/mtu", 0o777)
	ok(t, "maxports", m.write("lan/maxports", "1024"))
	if _, status := m.open("lan/port", 3); status.Ok() {
		t.Error("opened with access mode 3")
	}
	m.write("lan/policy", "nothing")
	got := []string{}
	for _, line := range strings.SplitAfter(m.read("errors"), "\n") {
		if match := errorLine.FindStringSubmatch(line); match != nil {
			got = append(got, match[3]+" "+match[4])
		}
	}
	want := "/ mkdir a b, lan/ports mkdir 9999, lan rmdir, lan mv version, lan/mtu chmod, lan/port open, lan/policy nothing"
	if strings.Join(got, ", ") != want {
		t.Errorf("errors tells of\n%s, want\n%s", strings.Join(got, ", "), want)
	}
	if n := strings.Count(m.read("lan/errors"), "\n"); n != 6 {
		t.Errorf("lan/errors has %d lines, want 6", n)
	}
	// An unknown policy is refused with the known ones.
	if text := m.read("lan/errors"); !strings.Contains(text, hub) || !strings.Contains(text, fakePolicy) {
		t.Errorf("the known policies are not listed: %s", text)
	}
}

// Words for people: each form of a wrong command has its own reason.
func TestReasons(t *testing.T) {
	for command, reason := range map[string]string{
		"1\n2": "more than one line", "\x00": "control characters", "\xff": "valid UTF-8", "": "an empty line",
		strings.Repeat("x", 5000): "5000 bytes: at most 4096", "x": "no decimal number", "59": "60 to 1044480",
	} {
		m := newLAN(t)
		m.write("lan/mtu", command)
		if text := m.read("lan/errors"); !strings.Contains(text, reason) {
			t.Errorf("echo %.20q > mtu: %q does not tell of %q", command, text, reason)
		}
	}
}

// The last 32 are kept; an empty line clears them.
func TestErrorsAreARing(t *testing.T) {
	m := newLAN(t)
	for i := range 1000 {
		wantStatus(t, "write", m.write("lan/mtu", fmt.Sprintf("no%d", i)), unix.EINVAL)
	}
	for _, path := range []string{"errors", "lan/errors"} {
		lines := strings.SplitAfter(m.read(path), "\n")
		lines = lines[:len(lines)-1]
		if len(lines) != 32 || !strings.Contains(lines[0], "no968") || !strings.Contains(lines[31], "no999") {
			t.Errorf("%s has %d lines, from %q to %q", path, len(lines), lines[0], lines[len(lines)-1])
		}
		ok(t, "clear", m.write(path, "\n"))
		if text := m.read(path); text != "" {
			t.Errorf("%s was cleared and holds %q", path, text)
		}
	}
}

// Networks that came and went leave no logs behind.
func TestErrorLogsGo(t *testing.T) {
	m := newMemory(t, testOptions())
	for range 50 {
		ok(t, "mkdir", m.mkdir("n", 0o755))
		wantStatus(t, "write", m.write("n/mtu", "x"), unix.EINVAL)
		ok(t, "rmdir", m.rmdir("n"))
	}
	m.dropErrors()
	if n := len(m.netErrors.logs); n > 0 {
		t.Errorf("%d logs of networks are kept", n)
	}
	if used := m.bus.Memory.Used(); used != 0 {
		t.Errorf("they hold %d bytes", used)
	}
}

// by has something refused on lan to the user of that uid.
func (m *memory) refusedTo(uid uint32, command string) {
	m.t.Helper()
	h := m.header(m.id("lan/ports"))
	h.Uid = uid
	wantStatus(m.t, "mkdir", m.Mkdir(nil, &fuse.MkdirIn{InHeader: h}, command, &fuse.EntryOut{}), unix.EINVAL)
}

// Root and the owner of the root directory see all refusals, and others their
// own, and only the size of those.
func TestErrorsAreOnesOwn(t *testing.T) {
	m := newLAN(t) // the root directory is that of uid 10
	m.refusedTo(5, "secret")
	m.refusedTo(6, "other")
	for uid, want := range map[uint32]string{0: "secret other", 10: "secret other", 5: "secret", 6: "other", 7: ""} {
		h := m.header(m.id("errors"))
		h.Uid = uid
		var attr fuse.AttrOut
		ok(t, "stat", m.GetAttr(nil, &fuse.GetAttrIn{InHeader: h}, &attr))
		var out fuse.OpenOut
		ok(t, "open", m.Open(nil, &fuse.OpenIn{InHeader: h}, &out))
		text := readAt(m, out.Fh, 0, 9999)
		m.Release(nil, &fuse.ReleaseIn{Fh: out.Fh})
		var got []string
		for _, word := range []string{"secret", "other"} {
			if strings.Contains(text, word) {
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != want || int(attr.Size) != len(text) {
			t.Errorf("uid %d: size %d, and reads\n%s", uid, attr.Size, text)
		}
	}
}

// One user does not push out what was refused to another, in the root's errors
// or a network's, and many are not remembered without bound.
func TestErrorsOfMany(t *testing.T) {
	m := newLAN(t)
	for range 20 {
		m.refusedTo(5, "mine")
	}
	for i := range 1000 {
		m.refusedTo(6, fmt.Sprint("flood", i))
	}
	all, lan := m.Errors(), m.read("lan/errors")
	if mine, others := strings.Count(all, "mine"), strings.Count(all, "flood"); mine != 2*20 || others != 2*32 {
		t.Errorf("the root's errors have %d and %d lines", mine/2, others/2)
	}
	if mine, others := strings.Count(lan, "mine"), strings.Count(lan, "flood"); mine < 2*10 || mine+others != 2*32 {
		t.Errorf("the errors of lan have %d and %d lines", mine/2, others/2)
	}
	for uid := range uint32(100) {
		for range 40 {
			m.refusedTo(1000+uid, "crowd")
		}
	}
	if n := strings.Count(m.Errors(), "\n"); n != rootLines {
		t.Errorf("%d lines are kept, want %d", n, rootLines)
	}
}

func TestErrorsConcurrently(t *testing.T) {
	m := newLAN(t)
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 200 {
				m.write("lan/mtu", "x")
				m.write("errors", "")
				m.read("lan/errors")
			}
		}()
	}
	all.Wait()
	if n := strings.Count(m.read("lan/errors"), "\n"); n != 32 {
		t.Errorf("%d lines", n)
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"plain words": "plain words", `a "quoted" word`: `a "quoted" word`, "a\nb": `a\nb`, "ä": "ä", "\xff": `\xff`, "\u009b": `\u009b`,
	} {
		if got := printable(s); got != want {
			t.Errorf("%q is shown as %q, want %q", s, got, want)
		}
	}
	if got := printable(strings.Repeat("x", 1<<20)); len(got) > 100 || !strings.HasSuffix(got, "...") {
		t.Errorf("1 MiB is shown as %d bytes", len(got))
	}
}
