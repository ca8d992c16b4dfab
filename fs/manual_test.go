package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// The manual page ipnfs(5) must tell of all that there is, and of nothing
// else.

// section returns the text under a heading of the manual.
func section(t *testing.T, title string) string {
	t.Helper()
	text, err := os.ReadFile("../doc/ipnfs.5.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n# "+title)
	if !found {
		t.Fatalf("the manual has no section %s", title)
	}
	rest, _, _ = strings.Cut(rest, "\n# ")
	return rest
}

// entries returns the names that have an entry of their own in a section.
func entries(t *testing.T, title string) (names []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\*\*(\S+)\*\*$`).FindAllStringSubmatch(section(t, title), -1) {
		names = append(names, m[1])
	}
	return names
}

// Files that other packages register are checked in cmd/ipnfs, which knows them
// all.
func TestManualHasTheFiles(t *testing.T) {
	for in, title := range map[bus.Place]string{bus.InRoot: "ROOT DIRECTORY", bus.InNetwork: "NETWORK DIRECTORY", bus.InPort: "PORT DIRECTORY"} {
		var there []string
		own := ownRows()
		for i := range own {
			switch r := &own[i]; {
			case r.in != in, r.slots > 0:
			case r.kind == netDir:
				there = append(there, "NET/")
			case r.kind == policyDir:
				there = append(there, "POLICY/")
			case r.isDir():
				there = append(there, r.name+"/")
			default:
				there = append(there, r.name)
			}
		}
		documented := slices.DeleteFunc(entries(t, title), func(name string) bool { return !slices.Contains(there, name) })
		if !slices.Equal(documented, there) {
			t.Errorf("%s of the manual has\n%v, the tree has\n%v", title, documented, there)
		}
	}
}

// wantWords checks that all words stand in a section, in bold, italics or
// backticks.
func wantWords(t *testing.T, title string, words []string) {
	t.Helper()
	text := section(t, title)
	for _, w := range words {
		if !regexp.MustCompile("[*`\"]" + regexp.QuoteMeta(w) + "[*`\"]").MatchString(text) {
			t.Errorf("%s of the manual does not tell of %s", title, w)
		}
	}
}

func TestManualHasTheWords(t *testing.T) {
	var counters, families, refusals []string
	for _, line := range (&bus.Stats{}).List() {
		counters = append(counters, line.Name)
	}
	wantWords(t, "COUNTERS", append(counters, "ports", "readers", "writers"))

	m := newMemory(t, testOptions())
	for _, f := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(m.read("metrics"), -1) {
		families = append(families, f[1])
	}
	wantWords(t, "METRICS", families)

	for _, errno := range errnos {
		name := unix.ErrnoName(errno)
		if errno == unix.EOPNOTSUPP { // has two
			name = "EOPNOTSUPP"
		}
		refusals = append(refusals, name)
	}
	wantWords(t, "REFUSALS", refusals)
	wantWords(t, "ROOT DIRECTORY", ownFeatures)
	wantWords(t, "WHEN A RECEIVER IS FULL", []string{"drop-new", "drop-old", "block", "disconnect"})
	wantWords(t, "NETWORK DIRECTORY", bus.LinkTypes)
}

// Events are told of where they are published.
func TestManualHasTheEvents(t *testing.T) {
	// By the network (n, net, Network()), by the policy's env, or by a method
	// event that adds something to each; what calls itself Event inside a policy
	// is another thing.
	published := regexp.MustCompile(`(?:eventLocked|\b(?:n|net|network|env|Network\(\))\.Event|\.event)\(\s*"([a-z-]+)"`)
	names := []string{"events-lost"}
	for _, dir := range []string{"../bus", ".", "../policies", "../iface", "../cable"} {
		err := filepath.WalkDir(dir, func(path string, f os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "bustest") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range published.FindAllStringSubmatch(string(text), -1) {
				names = append(names, m[1])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(names) < 8 {
		t.Fatalf("found only %v in the source", names)
	}
	wantWords(t, "EVENTS", names)
	for _, m := range regexp.MustCompile(`(?m)^\*([a-z-]+)\*`).FindAllStringSubmatch(section(t, "EVENTS"), -1) {
		if !slices.Contains(names, m[1]) {
			t.Errorf("EVENTS of the manual tells of %s, which nobody publishes", m[1])
		}
	}
}

func TestManualHasTheLimits(t *testing.T) {
	limits := bus.DefaultLimits()
	text := section(t, "LIMITS")
	for what, line := range map[string]string{
		"networks on a mount":                  fmt.Sprint(limits.Networks),
		"ports on a mount":                     fmt.Sprint(limits.Ports),
		"ports on a network":                   fmt.Sprintf("%d; setting maxports, up to %d", bus.DefaultPorts, policy.MaxPorts),
		"memory of all queues":                 fmt.Sprintf("%d MiB", limits.Memory>>20),
		"frames waiting for a receiver":        fmt.Sprintf("%d; setting queue, up to %d", bus.DefaultQueue, bus.MaxQueue),
		"bytes in a frame":                     fmt.Sprintf("%d; setting mtu, up to %d", frame.DefaultMTU, frame.MaxFrame),
		"bytes in a frame on stream":           fmt.Sprint(frame.MaxPrefixed),
		"bytes in a command":                   fmt.Sprint(maxCommand),
		"bytes in a name":                      fmt.Sprintf("network %d, port %d", bus.MaxName, bus.MaxPortName),
		"lines in errors":                      fmt.Sprintf("%d; in that of the root directory %d of a user, %d in all", errorLines, errorLines, rootLines),
		"readers of the events of a network":   fmt.Sprintf("%d; %d of a user", maxListeners, maxUserListeners),
		"bytes of events waiting for a reader": fmt.Sprint(maxEvents),
	} {
		if !strings.Contains(text, "| "+what+" | "+line) {
			t.Errorf("LIMITS of the manual has no line: | %s | %s", what, line)
		}
	}
}
