// Package deps checks what no compiler does: who imports whom, that each
// package says what it is for, and that all source is formatted.
package deps

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "ipnfs"
	root   = "../.."
)

// file is a Go file of the module.
type file struct {
	path   string // from the root of the module
	source []byte
	ast    *ast.File
}

func (f *file) dir() string { return path.Dir(f.path) }

func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// files reads all Go files of the module.
func files(t *testing.T) (list []*file) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && p != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata"):
			return filepath.SkipDir
		case e.IsDir() || !strings.HasSuffix(p, ".go"):
			return nil
		}
		source, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(set, p, source, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		list = append(list, &file{filepath.ToSlash(rel), source, parsed})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("found only %d files", len(list))
	}
	return list
}

// The directions of import: what a directory and those below it may import
// beside the standard library and themselves. "*" is any package that is not
// of this module. The first rule that fits counts; tests may import what they
// like.
var rules = []struct {
	dir   string
	allow []string
}{
	{"words", []string{"ipnfs/bus/fail"}},
	{"bus/bustest", []string{"ipnfs/words", "ipnfs/bus", "ipnfs/bus/"}},
	{"bus/fail", nil},
	{"bus/frame", []string{"ipnfs/bus/vnet"}},
	{"bus/policy", []string{"ipnfs/words", "ipnfs/bus/fail", "ipnfs/bus/frame", "ipnfs/bus/vnet"}},
	{"bus/vnet", nil},
	{"bus", []string{"ipnfs/words"}},
	{"lane/lanetest", []string{"ipnfs/bus", "ipnfs/bus/", "ipnfs/lane", "golang.org/x/sys/"}},
	{"lane/udp", []string{"ipnfs/bus/frame", "ipnfs/bus/vnet", "ipnfs/lane", "golang.org/x/sys/"}},
	{"lane/stream", []string{"ipnfs/bus", "ipnfs/bus/fail", "ipnfs/bus/frame", "ipnfs/lane", "golang.org/x/sys/"}},
	{"lane/vdeplug", []string{"ipnfs/bus", "ipnfs/bus/fail", "ipnfs/bus/frame", "ipnfs/lane", "golang.org/x/sys/"}},
	{"lane", []string{"ipnfs/bus", "ipnfs/bus/fail", "ipnfs/bus/frame", "golang.org/x/sys/"}},
	{"fs/devfuse", []string{"ipnfs/lane", "github.com/hanwen/go-fuse/v2/", "golang.org/x/sys/"}},
	{"fs", []string{"ipnfs/words", "ipnfs/bus", "ipnfs/bus/", "ipnfs/creds", "ipnfs/fs/devfuse", "ipnfs/lane", "github.com/hanwen/go-fuse/v2/", "golang.org/x/sys/"}},
	{"creds", []string{"ipnfs/bus", "ipnfs/bus/fail", "golang.org/x/sys/"}},
	{"state", []string{"ipnfs/words", "ipnfs/bus", "ipnfs/bus/"}},
	{"policies/l2switch", []string{"ipnfs/words", "ipnfs/bus/fail", "ipnfs/bus/frame", "ipnfs/bus/policy", "ipnfs/policies/ether", "ipnfs/policies/ether/"}},
	{"policies", []string{"ipnfs/words", "ipnfs/bus/fail", "ipnfs/bus/frame", "ipnfs/bus/policy"}},
	{"iface/fastpath", []string{"ipnfs/bus", "ipnfs/bus/policy", "ipnfs/iface/plane", "golang.org/x/sys/"}},
	{"iface/plane", []string{"ipnfs/bus/fail", "ipnfs/iface/netns", "ipnfs/iface/tun", "golang.org/x/sys/", "github.com/vishvananda/netlink", "github.com/vishvananda/netlink/", "github.com/cilium/ebpf", "github.com/cilium/ebpf/"}},
	{"iface/tun", []string{"ipnfs/bus/fail", "ipnfs/bus/vnet", "golang.org/x/sys/"}},
	{"iface", []string{"ipnfs/words", "ipnfs/bus", "ipnfs/bus/", "ipnfs/creds", "ipnfs/iface/", "ipnfs/lane", "*"}},
	{"stage", []string{"ipnfs/bus", "ipnfs/bus/frame"}},
	{"cable/key", []string{"ipnfs/bus/fail"}},
	{"cable/toobig", nil},
	{"cable/nats", []string{"ipnfs/words", "ipnfs/bus", "ipnfs/bus/", "ipnfs/cable", "ipnfs/cable/relay", "ipnfs/lane", "ipnfs/lane/", "*"}},
	{"cable", []string{"ipnfs/words", "ipnfs/bus", "ipnfs/bus/", "ipnfs/creds", "ipnfs/iface/netns", "ipnfs/lane", "ipnfs/lane/", "ipnfs/stage/horizon", "ipnfs/cable", "ipnfs/cable/key", "ipnfs/cable/relay", "ipnfs/cable/toobig", "golang.org/x/sys/"}},
	{"door/seq", []string{"ipnfs/bus", "ipnfs/bus/", "ipnfs/iface/device", "ipnfs/lane", "golang.org/x/sys/"}},
	{"door/vde", []string{"ipnfs/bus", "ipnfs/bus/", "ipnfs/creds", "ipnfs/iface/netns", "ipnfs/lane", "ipnfs/lane/vdeplug", "golang.org/x/sys/"}},
	{"door", []string{"ipnfs/bus", "ipnfs/bus/", "ipnfs/lane", "ipnfs/lane/stream", "golang.org/x/sys/"}},
	{"capture", []string{"ipnfs/bus", "ipnfs/bus/", "ipnfs/lane", "*"}},
	{"cmd", []string{"ipnfs/words", "ipnfs/bus", "ipnfs/bus/", "ipnfs/state", "ipnfs/fs", "ipnfs/fs/devfuse", "ipnfs/policies/", "ipnfs/iface", "ipnfs/door/", "ipnfs/cable", "ipnfs/cable/", "ipnfs/capture", "*"}},
	{"test", []string{"ipnfs/", "*"}},
}

func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// allowed tells whether the rules let files in dir import that package.
func allowed(dir, imported string) (ok, ruled bool) {
	for _, r := range rules {
		if !within(dir, r.dir) {
			continue
		}
		first, _, _ := strings.Cut(imported, "/")
		ours := first == module
		if !ours && !strings.Contains(first, ".") || within(imported, module+"/"+dir) {
			return true, true
		}
		return slices.ContainsFunc(r.allow, func(a string) bool {
			return a == imported || a == "*" && !ours || strings.HasSuffix(a, "/") && strings.HasPrefix(imported, a)
		}), true
	}
	return false, false
}

func TestImports(t *testing.T) {
	for _, f := range files(t) {
		for _, spec := range f.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if f.isTest() {
				continue
			}
			if ok, ruled := allowed(f.dir(), imported); !ruled {
				t.Errorf("%s: no rule says what this directory may import", f.path)
			} else if !ok {
				t.Errorf("%s may not import %s", f.path, imported)
			}
		}
	}
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		dir, imported string
		ok            bool
	}{
		{"words", "strconv", true},
		{"words", "ipnfs/bus/fail", true},
		{"words", "ipnfs/bus", false},
		{"bus", "ipnfs/words", true},
		{"bus", "sync/atomic", true},
		{"bus", "golang.org/x/sys/unix", false},
		{"bus", "ipnfs/fs", false},
		{"bus", "ipnfs/policies/broadcast", false},
		{"bus/bustest", "ipnfs/bus", true},
		{"bus/bustest", "ipnfs/policies/broadcast", false},
		{"policies/broadcast", "ipnfs/bus/policy", true},
		{"policies/broadcast", "ipnfs/bus", false},
		{"bus/policy", "ipnfs/bus/frame", true},
		{"bus/policy", "ipnfs/bus", false},
		{"bus/frame", "ipnfs/bus/policy", false},
		{"bus/fail", "ipnfs/bus/frame", false},
		{"policies/broadcast", "ipnfs/fs", false},
		{"policies/switch", "ipnfs/policies/broadcast", false},
		{"policies/l2switch", "ipnfs/policies/ether/fdb", true},
		{"policies/l2switch", "ipnfs/policies/broadcast", false},
		{"policies/ether/feed", "ipnfs/policies/l2switch", false},
		{"policies/switch", "ipnfs/policies/switch/fdb", true},
		{"policies/switch", "golang.org/x/sys/unix", false},
		{"fs", "ipnfs/bus", true},
		{"fs", "ipnfs/fs/devfuse", true},
		{"fs", "ipnfs/creds", true},
		{"creds", "ipnfs/bus", true},
		{"creds", "golang.org/x/sys/unix", true},
		{"creds", "ipnfs/fs", false},
		{"state", "ipnfs/bus", true},
		{"state", "ipnfs/policies/l2switch", false},
		{"state", "ipnfs/iface", false},
		{"bus", "ipnfs/creds", false},
		{"fs", "ipnfs/policies/broadcast", false},
		{"fs", "github.com/sirupsen/logrus", false},
		{"fs/devfuse", "ipnfs/bus", false},
		{"fs/devfuse", "ipnfs/fs", false},
		{"fs/devfuse", "ipnfs/lane", true},
		{"lane", "ipnfs/bus/frame", true},
		{"lane", "ipnfs/bus/policy", false},
		{"lane/stream", "ipnfs/lane", true},
		{"lane/stream", "ipnfs/door/qemu", false},
		{"lane", "ipnfs/iface/device", false},
		{"bus", "ipnfs/lane", false},
		{"iface/plane", "ipnfs/iface/netns", true},
		{"iface/plane", "ipnfs/bus", false},
		{"iface/fastpath", "ipnfs/bus/policy", true},
		{"iface/fastpath", "ipnfs/policies/l2switch", false},
		{"iface/fastpath", "ipnfs/iface/device", false},
		{"iface/plane", "ipnfs/iface/fastpath", false},
		{"cable/vde", "ipnfs/cable/qemu", false},
		{"cable/vde", "golang.org/x/sys/unix", true},
		{"cmd/ipnfs", "ipnfs/fs", true},
		{"cmd/ipnfs", "ipnfs/test/harness", false},
		{"buses", "sync", false},
	} {
		if ok, _ := allowed(c.dir, c.imported); ok != c.ok {
			t.Errorf("%s imports %s: allowed %v, want %v", c.dir, c.imported, ok, c.ok)
		}
	}
}

// Each package has one comment that says what it is for, of the usual form.
func TestPackageComments(t *testing.T) {
	comments := map[string][]*file{}
	for _, f := range files(t) {
		if f.isTest() {
			continue
		}
		if f.ast.Doc != nil {
			comments[f.dir()] = append(comments[f.dir()], f)
		} else if comments[f.dir()] == nil {
			comments[f.dir()] = []*file{}
		}
	}
	for dir, list := range comments {
		if len(list) != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, len(list))
			continue
		}
		name, text := list[0].ast.Name.Name, list[0].ast.Doc.Text()
		good := strings.HasPrefix(text, "Package "+name+" ")
		if name == "main" { // Command ipnfs does..., or: Ipnfs does...
			first, _, _ := strings.Cut(strings.TrimPrefix(text, "Command "), " ")
			good = strings.EqualFold(first, path.Base(dir))
		}
		if !good {
			t.Errorf("%s: the package comment begins with %.20q", list[0].path, text)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, f := range files(t) {
		formatted, err := format.Source(f.source)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
		} else if !bytes.Equal(formatted, f.source) {
			t.Errorf("%s is not as gofmt writes it", f.path)
		}
	}
}
