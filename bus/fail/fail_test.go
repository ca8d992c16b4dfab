package fail_test

import (
	"errors"
	"fmt"
	"testing"

	"ipnfs/bus/fail"
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
	if k := fail.KindOf(errors.New("plain")); k != 0 {
		t.Errorf("a plain error has kind %d", k)
	}
	if k := fail.KindOf(nil); k != 0 {
		t.Errorf("no error has kind %d", k)
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"cat": "cat", "ä-b/c": "ä-b/c", "": `""`, "a b": `"a b"`, "a\nb": `"a\nb"`, `a"b`: `"a\"b"`, `a\b`: `"a\\b"`,
		"\x1b[0m": `"\x1b[0m"`, "a\u2028b": `"a\u2028b"`, "a\u009bb": `"a\u009bb"`, "a=b": "a=b",
	} {
		if got := fail.Quote(s); got != want {
			t.Errorf("%q is quoted as %s, want %s", s, got, want)
		}
	}
}
