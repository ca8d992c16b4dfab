package bus_test

import (
	"errors"
	"fmt"
	"testing"

	"ipnfs/bus/fail"
	"ipnfs/words"
)

func TestKindOf(t *testing.T) {
	kinds := []fail.Kind{fail.Invalid, fail.Unknown, fail.Busy, fail.Exists, fail.InUse, fail.NoPort, fail.NoSpace, fail.Range,
		fail.NameTooLong, fail.Denied, fail.Gone, fail.TooLong, fail.NoMemory, fail.Unsupported}
	seen := map[fail.Kind]bool{}
	for _, k := range kinds {
		err := fail.Errorf(k, "because of %d", 7)
		if seen[k] || k == 0 {
			t.Errorf("kind %d is not one of its own", k)
		}
		seen[k] = true
		if fail.KindOf(err) != k || fail.KindOf(fmt.Errorf("wrapped: %w", err)) != k {
			t.Errorf("kind %d is read as %d, wrapped as %d", k, fail.KindOf(err), fail.KindOf(fmt.Errorf("wrapped: %w", err)))
		}
		if err.Error() != "because of 7" {
			t.Errorf("the text is %q", err.Error())
		}
	}
	for text, want := range map[string]fail.Kind{"x": fail.Invalid, "0": fail.Range, "1": 0} {
		_, err := words.Int("n", text, 1, 9)
		if k := fail.KindOf(err); k != want {
			t.Errorf("%v of words has kind %d, want %d", err, k, want)
		}
	}
	if k := fail.KindOf(errors.New("plain")); k != 0 {
		t.Errorf("a plain error has kind %d", k)
	}
	if k := fail.KindOf(nil); k != 0 {
		t.Errorf("no error has kind %d", k)
	}
}
