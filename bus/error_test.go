package bus_test

import (
	"errors"
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/words"
)

func TestKindOf(t *testing.T) {
	kinds := []bus.Kind{bus.Invalid, bus.Unknown, bus.Busy, bus.Exists, bus.InUse, bus.NoPort, bus.NoSpace, bus.Range,
		bus.NameTooLong, bus.Denied, bus.Gone, bus.TooLong, bus.NoMemory, bus.Unsupported}
	seen := map[bus.Kind]bool{}
	for _, k := range kinds {
		err := bus.Errorf(k, "because of %d", 7)
		if seen[k] || k == 0 {
			t.Errorf("kind %d is not one of its own", k)
		}
		seen[k] = true
		if bus.KindOf(err) != k || bus.KindOf(fmt.Errorf("wrapped: %w", err)) != k {
			t.Errorf("kind %d is read as %d, wrapped as %d", k, bus.KindOf(err), bus.KindOf(fmt.Errorf("wrapped: %w", err)))
		}
		if err.Error() != "because of 7" {
			t.Errorf("the text is %q", err.Error())
		}
	}
	for text, want := range map[string]bus.Kind{"x": bus.Invalid, "0": bus.Range, "1": 0} {
		_, err := words.Int("n", text, 1, 9)
		if k := bus.KindOf(err); k != want {
			t.Errorf("%v of words has kind %d, want %d", err, k, want)
		}
	}
	if k := bus.KindOf(errors.New("plain")); k != 0 {
		t.Errorf("a plain error has kind %d", k)
	}
	if k := bus.KindOf(nil); k != 0 {
		t.Errorf("no error has kind %d", k)
	}
}
