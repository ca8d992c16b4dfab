package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// fakeTree makes what ls reads: a directory with features, and the files of
// networks.
func fakeTree(t *testing.T, networks map[string]map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(dir, "features"), "port\n")
	for name, files := range networks {
		for file, text := range files {
			put(filepath.Join(dir, name, file), text)
		}
		if err := os.Chmod(filepath.Join(dir, name, "port"), 0o764); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func network(stats string) map[string]string {
	return map[string]string{
		"port": "", "policy": "broadcast\n", "mtu": "1500\n", "queue": "256\n", "overflow": "drop-new\n", "stats": stats,
	}
}

// ls runs the command and returns what it prints.
func ls(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := rootCommand()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs(append([]string{"ls"}, args...))
	err := c.Execute()
	return out.String(), err
}

const busyStats = "ports 12\nreaders 10\nwriters 3\nframes 1234567\nbytes 5\nreceived 98765\nqueued 7\n" +
	"drop_nobody 1000\ndrop_full 40000000\ndrop_memory 2345678\nodd\n"

// me is what ls calls the owner of files that the test makes.
func me(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Skipf("nobody knows who runs this test: %v", err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return u.Username + ":" + u.Gid
	}
	return u.Username + ":" + g.Name
}

func TestLs(t *testing.T) {
	dir := fakeTree(t, map[string]map[string]string{"lan": network("ports 0\n"), "backbone": network(busyStats)})
	got, err := ls(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := me(t)
	pad := strings.Repeat(" ", max(0, len(owner)-len("OWNER")))
	fill := strings.Repeat(" ", max(0, len("OWNER")-len(owner)))
	want := "NETWORK   POLICY     RIGHTS     OWNER" + pad + "  PORTS  FRAMES  RECEIVED  QUEUED  DROPPED\n" +
		"backbone  broadcast  rwxrw-r--  " + owner + fill + "  12     1.2M    98765     7       42.3M\n" +
		"lan       broadcast  rwxrw-r--  " + owner + fill + "  0      0       0         0       0\n"
	if got != want {
		t.Errorf("ls prints\n%s, want\n%s", got, want)
	}
}

func TestLsJSON(t *testing.T) {
	dir := fakeTree(t, map[string]map[string]string{"lan": network(busyStats)})
	got, err := ls(t, "--json", dir)
	if err != nil {
		t.Fatal(err)
	}
	var views []map[string]any
	if err := json.Unmarshal([]byte(got), &views); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	v := views[0]
	for key, want := range map[string]any{
		"name": "lan", "policy": "broadcast", "mode": "rwxrw-r--", "mtu": 1500.0, "queue": 256.0, "overflow": "drop-new", "dropped": 42345678.0,
	} {
		if v[key] != want {
			t.Errorf("%s is %v, want %v", key, v[key], want)
		}
	}
	if stats := v["stats"].(map[string]any); stats["frames"] != 1234567.0 || stats["drop_nobody"] != 1000.0 || len(stats) != 10 {
		t.Errorf("stats are %v", stats)
	}
}

func TestLsEmpty(t *testing.T) {
	dir := fakeTree(t, nil)
	if got, err := ls(t, dir); err != nil || got != "no networks on "+dir+": mkdir "+dir+"/NAME makes one\n" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := ls(t, "--json", dir); err != nil || got != "[]\n" {
		t.Errorf("as JSON: %q, %v", got, err)
	}
}

// A network that ends while it is read is left out; one that may not be read
// is shown as such.
func TestLsOddNetworks(t *testing.T) {
	odd := network("")
	delete(odd, "policy")
	dir := fakeTree(t, map[string]map[string]string{"lan": network(""), "ending": odd})
	if err := os.MkdirAll(filepath.Join(dir, "secret", "policy"), 0o755); err != nil { // cannot be read, root or not
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret", "port"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ls(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "ending") || !strings.Contains(got, "lan ") || !strings.Contains(got, "no access") {
		t.Errorf("ls prints\n%s", got)
	}
}

func TestLsNoMount(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/no/such/place"} {
		_, err := ls(t, dir)
		var f *failure
		if !errors.As(err, &f) || f.code != exitSystem || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestShort(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 1: "1", 99999: "99999", 100000: "100.0k", 123456: "123.5k", 999949: "999.9k", 999950: "1.0M", 999999: "1.0M",
		1000000: "1.0M", 12345678: "12.3M", 999999999: "1.0G", 5e9: "5.0G", 1234e9: "1.2T", 1e15: "1.0P", 1<<64 - 1: "18446.7P",
	} {
		if got := short(n); got != want {
			t.Errorf("%d is written as %s, want %s", n, got, want)
		}
	}
}
