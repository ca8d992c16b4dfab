package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The networks follow one another by name; who has ended meanwhile is not missed,
// and who cannot be read is.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{"features": "", "b/save": "mkdir b\n", "a/save": "mkdir a\necho 1500 >a/mtu\n", "gone/port": "", "going/save": ""} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := "\nmkdir a\necho 1500 >a/mtu\n\nmkdir b\n"
	check := func(what string, wantCode int, complaint string) {
		t.Helper()
		var out, complaints bytes.Buffer
		err := save(&out, &complaints, dir)
		code := 0
		if f, ok := err.(*failure); ok {
			code = f.code
		}
		if !strings.HasSuffix(out.String(), want) || code != wantCode || complaints.String() != complaint {
			t.Errorf("%s: it prints\n%s\nand says %q, %v", what, out.String(), complaints.String(), err)
		}
	}
	check("all", 0, "")
	if err := os.MkdirAll(filepath.Join(dir, "c", "save"), 0o755); err != nil {
		t.Fatal(err)
	}
	check("one cannot be read", exitSome, "# left out: read "+dir+"/c/save: is a directory\n")
}
