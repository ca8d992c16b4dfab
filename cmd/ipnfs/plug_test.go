package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDoorPath(t *testing.T) {
	dir := fakeTree(t, map[string]map[string]string{"lan": network(""), "a:1": network(""), "b:c": network("")})
	for target, want := range map[string]string{
		"lan": "lan/stream", "lan:7": "lan/ports/7/port", "lan:": "lan/stream", "a:1:": "a:1/stream", "a:1:2": "a:1/ports/2/port", "b:c": "b:c/stream",
	} {
		path, numbered, err := doorPath(dir + "/" + target)
		if err != nil || path != filepath.Join(dir, want) || numbered != (filepath.Base(want) == "port") {
			t.Errorf("%s is %s, %v, %v, want %s", target, path, numbered, err, want)
		}
	}
	for target, code := range map[string]int{
		"": exitUsage, dir + "/": exitUsage, dir + "/..": exitUsage, ".": exitUsage, dir + "/:7": exitUsage,
		dir + "/wan": exitMount, dir + "/a:1": exitMount, dir + "/lan:x": exitMount, t.TempDir() + "/lan": exitSystem,
	} {
		var f *failure
		if path, _, err := doorPath(target); !errors.As(err, &f) || f.code != code {
			t.Errorf("%q is %s, %v, want exit code %d", target, path, err, code)
		}
	}
}

// A door is opened with the rights that there are, and not with others than
// are wished.
func TestOpenDoor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "door")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for wish, flags := range map[rights]int{mayBoth: unix.O_RDWR, mayReceive: unix.O_RDONLY, maySend: unix.O_WRONLY} {
		file, got, err := openDoor(path, wish)
		if err != nil || got != wish {
			t.Fatalf("%v gives %v, %v", wish, got, err)
		}
		has, _ := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0)
		if has&unix.O_ACCMODE != flags {
			t.Errorf("%v opens with %o, want %o", wish, has, flags)
		}
		file.Close()
	}
	if _, _, err := openDoor(path+"s", mayBoth); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}
