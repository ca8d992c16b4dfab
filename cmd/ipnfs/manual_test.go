package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/policy"
	"ipnfs/fs"
)

// The manual page ipnfs(5) and the files that the packages of this build have
// registered. Package fs checks those of the tree itself.

// entriesOf returns the entries under a heading of the manual: what is said
// first of each file, by its name.
func entriesOf(t *testing.T, title string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../doc/ipnfs.5.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n# "+title)
	if !found {
		t.Fatalf("the manual has no section %s", title)
	}
	section, _, _ = strings.Cut(section, "\n# ")
	entries := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\*\*([^\s/]+)\*\*\n:   (.*(?:\n    .*)*)`).FindAllStringSubmatch(section, -1) {
		entries[m[1]] = strings.Join(strings.Fields(m[2]), " ")
	}
	return entries
}

// openSocketsOf lets the sockets of a tree be that is not mounted.
func openSocketsOf(t *testing.T, f *fs.FS) {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(root+"/.sockets", 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := f.OpenSockets(int(dir.Fd()), root); err != nil {
		t.Fatal(err)
	}
}

func TestManualHasRegisteredFiles(t *testing.T) {
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := fs.New(null, fs.Options{Root: bus.Access{Mode: 0o755}, Limits: bus.DefaultLimits(), Policy: "broadcast"})
	defer f.Serve()
	openSocketsOf(t, f)
	var net, ports, port fuse.EntryOut
	root := fuse.InHeader{NodeId: fuse.FUSE_ROOT_ID}
	f.Mkdir(nil, &fuse.MkdirIn{InHeader: root, Mode: 0o755}, "lan", &net)
	f.Lookup(nil, &fuse.InHeader{NodeId: net.NodeId}, "ports", &ports)
	f.Mkdir(nil, &fuse.MkdirIn{InHeader: fuse.InHeader{NodeId: ports.NodeId}}, "1", &port)
	for place, where := range []struct {
		title string
		dir   uint64
	}{
		bus.InRoot: {"ROOT DIRECTORY", fuse.FUSE_ROOT_ID}, bus.InNetwork: {"NETWORK DIRECTORY", net.NodeId}, bus.InPort: {"PORT DIRECTORY", port.NodeId},
	} {
		entries := entriesOf(t, where.title)
		for _, file := range bus.Files() {
			if summary := strings.ToUpper(file.Summary[:1]) + file.Summary[1:]; int(file.Place) == place && !strings.HasPrefix(entries[file.Name], summary) {
				t.Errorf("%s of the manual tells of %s: %q, and not first: %q", where.title, file.Name, entries[file.Name], summary)
			}
		}
		for name := range entries {
			if status := f.Lookup(nil, &fuse.InHeader{NodeId: where.dir}, name, &fuse.EntryOut{}); !status.Ok() {
				t.Errorf("%s of the manual tells of %s, which is not there: %v", where.title, name, status)
			}
		}
		if len(entries) < 5 {
			t.Errorf("%s of the manual has only the entries %v", where.title, entries)
		}
	}
	told := entriesOf(t, "ROOT DIRECTORY")["features"]
	words := bus.Features()
	for _, p := range policy.Types() {
		if p.Feature {
			words = append(words, p.Name)
		}
	}
	for _, word := range words {
		if !strings.Contains(told, "*"+word+"*") {
			t.Errorf("features of the manual does not tell of %s", word)
		}
	}
}
