package words

import (
	"reflect"
	"testing"
)

func TestLocator(t *testing.T) {
	for text, want := range map[string]Locator{
		"ipn://lan":                     {"ipn", "lan", nil},
		"vde:///run/vde.ctl?port=3":     {"vde", "/run/vde.ctl", []Word{{"port", "3", true}}},
		"udp://[::1]:5->10.0.0.1:6":     {"udp", "[::1]:5->10.0.0.1:6", nil},
		"vxlan://a,b?vni=5&group=x%26y": {"vxlan", "a,b", []Word{{"vni", "5", true}, {"group", "x&y", true}}},
		"tls-listen://:4000?pin=a=b&x=": {"tls-listen", ":4000", []Word{{"pin", "a=b", true}, {"x", "", true}}},
		"cmd://slirp%20-x%3f?q=a?b":     {"cmd", "slirp -x?", []Word{{"q", "a?b", true}}},
		"a://b://c?d=e://f":             {"a", "b://c", []Word{{"d", "e://f", true}}},
		"qemu:///büro%25%ff":            {"qemu", "/büro%\xff", nil},
	} {
		l, err := ParseLocator(text)
		if err != nil || !reflect.DeepEqual(l, want) {
			t.Errorf("%s is read as %+v, %v", text, l, err)
		}
		if again, err := ParseLocator(l.String()); err != nil || !reflect.DeepEqual(again, l) {
			t.Errorf("%s is shown as %s, which is read as %+v, %v", text, l, again, err)
		}
	}
	if l, err := ParseLocator("cmd://a%20b%3Fc?d=%26%25"); err != nil || l.String() != "cmd://a%20b%3Fc?d=%26%25" {
		t.Errorf("it is shown as %s, %v", l, err)
	}
}

func TestLocatorRefusals(t *testing.T) {
	const none = " is no locator: SCHEME://REST[?key=value&...]"
	for text, want := range map[string]string{
		"":             `""` + none,
		"lan":          `"lan"` + none,
		"vde:/x":       `"vde:/x"` + none,
		"://x":         `"://x"` + none,
		"vde://":       `"vde://"` + none,
		"vde://?a=b":   `"vde://?a=b"` + none,
		"VDE://x":      `"VDE://x"` + none,
		"9p://x":       `"9p://x"` + none,
		"a b://x":      `"a b://x"` + none,
		"vde://a b":    `locator "vde://a b": no white space or control characters: a space is %20`,
		"vde://a\x1b":  `locator "vde://a\x1b": no white space or control characters: a space is %20`,
		"vde://\xff":   `locator "vde://\xff": no white space or control characters: a space is %20`,
		"vde://a%":     `"a%" in a locator: %XX stands for a byte, but not for 0, and %25 for a percent sign`,
		"vde://a%0":    `"a%0" in a locator: %XX stands for a byte, but not for 0, and %25 for a percent sign`,
		"vde://a%00":   `"a%00" in a locator: %XX stands for a byte, but not for 0, and %25 for a percent sign`,
		"vde://a?b=%x": `"%x" in a locator: %XX stands for a byte, but not for 0, and %25 for a percent sign`,
		"vde://a?":     `"" in a locator is no argument: key=value is one, with & between`,
		"vde://a?b":    `"b" in a locator is no argument: key=value is one, with & between`,
		"vde://a?b=1&": `"" in a locator is no argument: key=value is one, with & between`,
		"vde://a?B=1":  `"B=1" in a locator is no argument: key=value is one, with & between`,
		"vde://a?%62=": `"%62=" in a locator is no argument: key=value is one, with & between`,
	} {
		if l, err := ParseLocator(text); err == nil || err.Error() != want || !reflect.DeepEqual(l, Locator{}) {
			t.Errorf("%q is read as %+v, %v; want %s", text, l, err, want)
		}
	}
}

func FuzzLocator(f *testing.F) {
	for _, s := range []string{"ipn://lan", "vde:///x?port=3&b=", "cmd://a%20b%25?c=%26", "udp://[::1]:5->x", "x://\u00a0", "a://%ff%C2%A0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLocator(text)
		if err != nil {
			return
		}
		if again, err := ParseLocator(l.String()); err != nil || !reflect.DeepEqual(again, l) {
			t.Errorf("%q is read as %+v and shown as %q, which is read as %+v, %v", text, l, l, again, err)
		}
	})
}
