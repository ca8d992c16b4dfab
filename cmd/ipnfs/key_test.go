package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/cable/key"
)

// run runs ipnfs with arguments, and returns its exit code.
func run(t *testing.T, args ...string) (out string, code int, err error) {
	t.Helper()
	var b bytes.Buffer
	c := rootCommand()
	c.SetArgs(args)
	c.SetOut(&b)
	err = c.Execute()
	var f *failure
	if errors.As(err, &f) {
		code = f.code
	}
	return b.String(), code, err
}

// A key is made once, for its owner's eyes only, whatever the umask, and its pin
// is what it is.
func TestKey(t *testing.T) {
	t.Chdir(t.TempDir())
	defer unix.Umask(unix.Umask(0))
	for _, args := range [][]string{{"key"}, {"key", "other"}} {
		path := append(args, defaultKey)[1]
		pin, _, err := run(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		made, _ := os.ReadFile(path)
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
		pair, err := key.Load(made)
		host, _ := os.Hostname()
		if err != nil || pin != key.Pin(pair.Leaf)+"\n" || pair.Leaf.Subject.CommonName != host {
			t.Errorf("%s: it is of %v, %v, and the pin is told as %s", path, pair.Leaf.Subject, err, pin)
		}
		again, _, err := run(t, args...)
		if now, _ := os.ReadFile(path); err != nil || again != pin || !bytes.Equal(now, made) {
			t.Errorf("%s again: %v, pin %s, which was %s", path, err, again, pin)
		}
	}
}

// A file that is there stays as it is, and nothing is left of one that cannot be
// written.
func TestKeyRefused(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err != nil {
		t.Fatal(err)
	}
	notes := put("notes", "no key\n")
	for path, why := range map[string]string{
		notes: "no private key", put("empty", ""): "no private key", put("long", strings.Repeat("x", key.MaxSize+1)): "at most",
		dir: "directory", filepath.Join(dir, "none", "key"): "no such file", link: "no such file",
	} {
		out, code, err := run(t, "key", path)
		if code != exitSystem || out != "" || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %q, exit code %d, %v", path, out, code, err)
		}
	}
	if text, _ := os.ReadFile(notes); string(text) != "no key\n" {
		t.Errorf("it has become %q", text)
	}
	if _, err := os.Lstat(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a file was made behind a link")
	}
}
