package bus_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

var names = []struct {
	name string
	kind fail.Kind
}{
	{"lan", 0},
	{"a", 0},
	{"LAN-1_2.3", 0},
	{"über", 0},
	{"网络", 0},
	{"-x", 0},
	{"a:b,c=d", 0},
	{strings.Repeat("x", 64), 0},
	{strings.Repeat("ü", 32), 0},
	{"", fail.Invalid},
	{".", fail.Invalid},
	{"..", fail.Invalid},
	{".hidden", fail.Invalid},
	{"a b", fail.Invalid},
	{"a\tb", fail.Invalid},
	{"a\n", fail.Invalid},
	{"\r", fail.Invalid},
	{"a/b", fail.Invalid},
	{"/", fail.Invalid},
	{"a\x00", fail.Invalid},
	{"a\x1b[0m", fail.Invalid},
	{"a\x7f", fail.Invalid},
	{"a\u0085", fail.Invalid}, // next line
	{"a\u009b1m", fail.Invalid},
	{"a\u00a0b", fail.Invalid}, // no-break space
	{"a\u2003b", fail.Invalid}, // em space
	{"a\u2028b", fail.Invalid}, // line separator
	{strings.Repeat("x", 65), fail.NameTooLong},
	{strings.Repeat("ü", 33), fail.NameTooLong},
	{strings.Repeat("/", 255), fail.NameTooLong},
}

func TestCheckName(t *testing.T) {
	for _, c := range names {
		wantKind(t, "name "+c.name, bus.CheckName(c.name), c.kind)
	}
}

func FuzzName(f *testing.F) {
	for _, c := range names {
		f.Add(c.name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := bus.CheckName(name)
		good := len(name) >= 1 && len(name) <= bus.MaxName && name[0] != '.' && !strings.ContainsFunc(name, func(r rune) bool {
			return r == '/' || unicode.IsSpace(r) || unicode.IsControl(r)
		})
		if good && utf8.ValidString(name) && err != nil {
			t.Errorf("%q is refused: %v", name, err)
		}
		if !good && err == nil {
			t.Errorf("%q is accepted", name)
		}
		if err != nil && fail.KindOf(err) == 0 {
			t.Errorf("%q: %v has no kind", name, err)
		}
		b := bus.New(bus.DefaultLimits())
		if _, createErr := b.Create(name, directed, bus.Access{}, bus.Access{}); (createErr == nil) != (err == nil) {
			t.Errorf("%q: CheckName says %v, Create %v", name, err, createErr)
		}
		if err == nil && b.Network(name) == nil {
			t.Errorf("network %q is not found", name)
		}
	})
}
