package fault

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// ways are how programs get the text of an open file; size is what fstat(2)
// said, or -1 if nobody asked. They are plain calls: no test may hang on one.
var ways = []struct {
	name  string
	fstat bool
	get   func(t *testing.T, fd, size int) string
}{
	{"read", false, toEnd},
	{"fstat, read", true, toEnd},
	{"sendfile", false, func(t *testing.T, fd, _ int) string { return sendfile(t, fd, 1<<20) }},
	{"fstat, sendfile of that", true, sendfile},
	{"splice", false, func(t *testing.T, fd, _ int) string { return splice(t, fd, 1<<16) }},
	{"fstat, splice of that", true, splice},
	{"fstat, read of that", true, func(t *testing.T, fd, size int) string { return string(read(t, fd, size)) }},
	{"fstat, mmap", true, mapped},
	{"fstat, pread of halves", true, halves},
}

// get opens path and gets its text in one of the ways.
func get(t *testing.T, path string, way int) string {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		t.Errorf("open %s: %v", path, err)
		return ""
	}
	defer unix.Close(fd)
	size := -1
	if ways[way].fstat {
		size = length(t, fd)
	}
	return ways[way].get(t, fd, size)
}

func length(t *testing.T, fd int) int {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Errorf("fstat: %v", err)
	}
	return int(st.Size)
}

func toEnd(t *testing.T, fd, _ int) string {
	var text []byte
	for {
		data := read(t, fd, 1000)
		if len(data) == 0 {
			return string(text)
		}
		text = append(text, data...)
	}
}

// sendfile copies to a file, as busybox cat and Python do.
func sendfile(t *testing.T, fd, size int) string {
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer out.Close()
	for n := 1; n > 0 && size > 0; size -= n {
		if n, err = retry(func() (int, error) { return unix.Sendfile(int(out.Fd()), fd, nil, size) }); err != nil {
			t.Errorf("sendfile: %v", err)
			break
		}
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func splice(t *testing.T, fd, size int) string {
	r, w, err := os.Pipe()
	if err != nil {
		t.Error(err)
		return ""
	}
	defer r.Close()
	defer w.Close()
	var text []byte
	for len(text) < size {
		n, err := retry(func() (int, error) {
			n, err := unix.Splice(fd, nil, int(w.Fd()), nil, size-len(text), 0)
			return int(n), err
		})
		if err != nil {
			t.Errorf("splice: %v", err)
		}
		if n <= 0 {
			break
		}
		text = append(text, read(t, int(r.Fd()), n)...)
	}
	return string(text)
}

func mapped(t *testing.T, fd, size int) string {
	if size == 0 {
		return ""
	}
	data, err := unix.Mmap(fd, 0, size, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Errorf("mmap: %v", err)
		return ""
	}
	defer unix.Munmap(data)
	return string(data)
}

func halves(t *testing.T, fd, size int) string {
	text := make([]byte, size)
	for _, half := range [][2]int{{0, size / 2}, {size / 2, size}} {
		if _, err := unix.Pread(fd, text[half[0]:half[1]], int64(half[0])); err != nil {
			t.Errorf("pread: %v", err)
		}
	}
	return string(text)
}

// texts are the files of a mount that are text.
func texts(t *testing.T, m *harness.Mounted) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(m.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !slices.Contains([]string{"port", "stream", "events"}, d.Name()) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Every way to read gives the whole text, and stat says its length.
func TestTextWays(t *testing.T) {
	m := start(t)
	harness.Set(t, "switch", m.Path(lan, "policy"))
	if err := os.Mkdir(m.Path(lan, "ports", "2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.Path(lan, "mtu"), []byte("none"), 0); err == nil { // a line in errors
		t.Error("a wrong mtu was accepted")
	}
	paths := texts(t, m)
	if len(paths) < 40 {
		t.Errorf("only %d files", len(paths))
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for way := range ways {
			if got := get(t, path, way); got != string(text) {
				t.Errorf("%s by %s: %q, want %q", path, ways[way].name, got, text)
			}
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || st.Size != int64(len(text)) || (st.Blocks == 0) != (len(text) == 0) {
			t.Errorf("stat %s: %v, size %d, %d blocks, want %d", path, err, st.Size, st.Blocks, len(text))
		}
	}
	if err := unix.Rmdir(m.Path(lan, "ports", "2")); err != nil {
		t.Error(err)
	}
}

// meanwhile runs each f again and again, all at once, until first has run
// rounds times.
func meanwhile(rounds int, first func(), others ...func()) {
	var stop atomic.Bool
	var all sync.WaitGroup
	for _, f := range others {
		all.Go(func() {
			for !stop.Load() {
				f()
			}
		})
	}
	for range rounds {
		first()
	}
	stop.Store(true)
	all.Wait()
}

// A report that changes while it is read, and while others look at it, is
// never cut short, and nothing is added.
func TestTextThatChanges(t *testing.T) {
	m := start(t)
	path := m.Path(lan, "stats")
	lines := strings.Count(harness.Get(t, path), "\n") + 1
	out := openPort(t, m, unix.O_WRONLY)
	check := func(way int) {
		text := get(t, path, way)
		if strings.Count(text, "\n") != lines || !strings.HasSuffix(text, "\n") || strings.Contains(text, "\x00") ||
			strings.Contains(text[strings.LastIndex(text, "drop_overrun"):], " \n") {
			t.Errorf("stats by %s: %d lines, %q", ways[way].name, strings.Count(text, "\n"), text)
		}
	}
	way := 0
	meanwhile(40*len(ways), func() {
		check(way)
		way = (way + 1) % len(ways)
	}, func() {
		for range 100 {
			_, _ = unix.Write(out, []byte("frame"))
		}
	}, func() {
		_ = os.WriteFile(path, []byte("reset"), 0)
	}, func() {
		_, _ = os.Stat(path)
		check(2)
	})
}

// A setting that is written while it is read, and while others look at it, is
// what it was before or after; it is never empty.
func TestSettingThatChanges(t *testing.T) {
	m := start(t)
	path := m.Path(lan, "mtu")
	value := 0
	set := func() {
		value = 1 - value
		_ = os.WriteFile(path, fmt.Appendln(nil, 1000+1000*value), 0)
	}
	set()
	way := 0
	meanwhile(40*len(ways), func() {
		if text := get(t, path, way); text != "1000\n" && text != "2000\n" {
			t.Errorf("mtu by %s: %q", ways[way].name, text)
		}
		way = (way + 1) % len(ways)
	}, set, func() {
		_, _ = os.Stat(path)
		_ = get(t, path, 2)
	})
}
