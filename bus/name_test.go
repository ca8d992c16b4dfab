package bus_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ipnfs/bus"
)

var names = []struct {
	name string
	kind bus.Kind
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
	{"", bus.Invalid},
	{".", bus.Invalid},
	{"..", bus.Invalid},
	{".hidden", bus.Invalid},
	{"a b", bus.Invalid},
	{"a\tb", bus.Invalid},
	{"a\n", bus.Invalid},
	{"\r", bus.Invalid},
	{"a/b", bus.Invalid},
	{"/", bus.Invalid},
	{"a\x00", bus.Invalid},
	{"a\x1b[0m", bus.Invalid},
	{"a\x7f", bus.Invalid},
	{"a\u0085", bus.Invalid}, // next line
	{"a\u009b1m", bus.Invalid},
	{"a\u00a0b", bus.Invalid}, // no-break space
	{"a\u2003b", bus.Invalid}, // em space
	{"a\u2028b", bus.Invalid}, // line separator
	{strings.Repeat("x", 65), bus.NameTooLong},
	{strings.Repeat("ü", 33), bus.NameTooLong},
	{strings.Repeat("/", 255), bus.NameTooLong},
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
		if err != nil && bus.KindOf(err) == 0 {
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
