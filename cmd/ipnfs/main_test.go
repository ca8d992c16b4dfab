package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFailure(t *testing.T) {
	err := failf(exitMount, "because of %w", os.ErrNotExist)
	var f *failure
	if !errors.As(fmt.Errorf("wrapped: %w", err), &f) || f.code != exitMount || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v has lost its code or its cause", err)
	}
}

func TestVersionLine(t *testing.T) {
	if got := versionLine(); !strings.HasPrefix(got, "ipnfs ") || strings.Contains(got, "\n") {
		t.Errorf("the version is %q", got)
	}
	before := version
	t.Cleanup(func() { version = before })
	version = "v1.2.3"
	if got := versionLine(); got != "ipnfs v1.2.3" {
		t.Errorf("the version is %q", got)
	}
}

// Each command says what it is for, and refuses arguments that it does not
// take.
func TestCommands(t *testing.T) {
	for _, c := range rootCommand().Commands() {
		if c.Short == "" || c.RunE == nil && c.Run == nil {
			t.Errorf("command %s has no description or does nothing", c.Name())
		}
		if c.Args == nil || c.Args(c, []string{"a", "b", "c", "d"}) == nil {
			t.Errorf("command %s takes any arguments", c.Name())
		}
	}
}

// What cannot be mounted on is refused before anything is tried.
func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := prepare(dir); err != nil {
		t.Errorf("a directory: %v", err)
	}
	for path, code := range map[string]int{file: exitMount, filepath.Join(dir, "nothing"): exitMount, filepath.Join(dir, "no", "where"): exitMount} {
		var f *failure
		if err := prepare(path); !errors.As(err, &f) || f.code != code {
			t.Errorf("%s: %v, want exit code %d", path, err, code)
		}
	}
}

// What the child in the background reports is what its parent ends with.
func TestReport(t *testing.T) {
	for text, err := range map[string]error{
		"0 ": nil, "32 no": failf(exitMount, "no"), "2 plain": errors.New("plain"),
	} {
		r, w, pipeErr := os.Pipe()
		if pipeErr != nil {
			t.Fatal(pipeErr)
		}
		if got := (&pipe{w}).report(err); got != err {
			t.Errorf("report returns %v, want %v", got, err)
		}
		buf := make([]byte, 100)
		n, _ := r.Read(buf)
		r.Close()
		if got := string(buf[:n]); got != text {
			t.Errorf("%v is reported as %q, want %q", err, got, text)
		}
	}
	if (*pipe)(nil).report(os.ErrExist) != os.ErrExist {
		t.Error("without a parent the error is lost")
	}
}

// The end of a parent that was not told yet is seen, and no other.
func TestAbandoned(t *testing.T) {
	for _, told := range []bool{false, true} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		tell := &pipe{w}
		gone := tell.abandoned()
		if told {
			_ = tell.report(nil)
			r.Close()
			select {
			case <-gone:
				t.Error("a parent that was told counts as gone")
			default:
			}
			continue
		}
		r.Close()
		<-gone
		w.Close()
	}
	if (*pipe)(nil).abandoned() != nil {
		t.Error("without a parent one is waited for")
	}
}
