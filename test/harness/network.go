package harness

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Path names a file of the mount.
func (m *Mounted) Path(elem ...string) string {
	return filepath.Join(append([]string{m.Dir}, elem...)...)
}

// Network makes a network and returns the path of its directory.
func (m *Mounted) Network(t testing.TB, name string) string {
	t.Helper()
	dir := m.Path(name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Set writes a value to a setting, as echo does.
func Set(t testing.TB, value string, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), []byte(value+"\n"), 0); err != nil {
		t.Fatalf("echo %s: %v", value, err)
	}
}

// Get reads a setting or a report, as cat does, without the last newline.
func Get(t testing.TB, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(text), "\n")
}

// Stats reads the stats of a network by name.
func (m *Mounted) Stats(t testing.TB, network string) map[string]uint64 {
	t.Helper()
	return ReadStats(t, m.Path(network, "stats"))
}

// ReadStats reads a file of `name value` lines.
func ReadStats(t testing.TB, path string) map[string]uint64 {
	t.Helper()
	stats := map[string]uint64{}
	for _, line := range strings.Split(Get(t, path), "\n") {
		name, value, _ := strings.Cut(line, " ")
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			t.Fatalf("%s: line %q: %v", path, line, err)
		}
		stats[name] = n
	}
	return stats
}

// Dropped is the sum of all drops of copies that were meant for a receiver.
func Dropped(stats map[string]uint64) uint64 {
	var sum uint64
	for _, reason := range []string{"full", "displaced", "memory", "too_long", "left", "device"} {
		sum += stats["drop_"+reason]
	}
	return sum
}

// CheckBalance checks that each copy meant for a receiver was received, is
// queued, or is counted as dropped, and returns the stats.
func (m *Mounted) CheckBalance(t testing.TB, network string) map[string]uint64 {
	t.Helper()
	s := m.Stats(t, network)
	if s["offered"] != s["received"]+s["queued"]+Dropped(s) {
		t.Errorf("network %s: offered %d is not received %d + queued %d + dropped %d: %v",
			network, s["offered"], s["received"], s["queued"], Dropped(s), s)
	}
	return s
}

// Rebase takes what the daemon has open now for what it has open as long as it runs.
func (m *Mounted) Rebase(t testing.TB) { m.base = m.Descriptors(t) }

// CheckIdle checks that the daemon holds nothing for its clients: no port on
// any network, no queued byte, no descriptor more than at the start. It waits
// a while for that, since processes may just be ending.
func (m *Mounted) CheckIdle(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		Eventually(t, "the ports of "+e.Name()+" to be gone", func() bool {
			ports, err := os.ReadDir(m.Path(e.Name(), "ports"))
			return os.IsNotExist(err) || err == nil && len(ports) == 0
		})
	}
	Eventually(t, "the memory for queued frames to be given back", func() bool {
		var st unix.Statfs_t // df shows what waits, without the tables of networks that are there
		if err := unix.Statfs(m.Dir, &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks == st.Bfree
	})
	var more []string
	defer func() {
		if len(more) > 0 {
			t.Logf("open in the daemon: %q", more)
		}
	}()
	Eventually(t, "the daemon's descriptors to be closed", func() bool {
		more = m.Descriptors(t)
		for _, old := range m.base {
			if i := slices.Index(more, old); i >= 0 {
				more = slices.Delete(more, i, i+1)
			}
		}
		return len(more) == 0
	})
}

// Metric reads a value without labels from the file metrics.
func (m *Mounted) Metric(t testing.TB, name string) uint64 {
	t.Helper()
	for _, line := range strings.Split(Get(t, m.Path("metrics")), "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				t.Fatalf("metric %s: %v", line, err)
			}
			return n
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
