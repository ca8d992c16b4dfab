package words

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ipnfs/bus/fail"
)

// reads are the parsers of values, with the limits of the table below. What they
// read is shown as they take it.
var reads = map[string]func(text string) (string, error){
	"int":  func(s string) (string, error) { return shown(Int("n", s, 1, 500)) },
	"byte": func(s string) (string, error) { return shown(Int("n", s, 0, uint8(240))) },
	"or":   func(s string) (string, error) { return shown(IntOr("n", s, "off", 1, 500)) },
	"mask": func(s string) (string, error) { return shown(Mask("n", s, uint16(0xffff))) },
	"id":   func(s string) (string, error) { return shown(ID("n", s)) },
	"size": func(s string) (string, error) {
		n, err := Size("n", s, 1<<20, 1<<40)
		return FormatSize(n), err
	},
	"time": func(s string) (string, error) { return shown(Duration("n", s, time.Millisecond, time.Hour)) },
	"onoff": func(s string) (string, error) {
		on, err := OnOff("n", s)
		return FormatOnOff(on), err
	},
	"oneof": func(s string) (string, error) {
		i, err := OneOf("n", s, "red", "green")
		return [...]string{"red", "green"}[i], err
	},
	"mac": func(s string) (string, error) {
		mac, err := MAC("n", s)
		return fmt.Sprintf("%x", mac), err
	},
	"ip":   func(s string) (string, error) { return shown(IP("n", s)) },
	"cidr": func(s string) (string, error) { return shown(CIDR("n", s)) },
}

func shown[T any](v T, err error) (string, error) { return fmt.Sprint(v), err }

func TestValues(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{"int", "1", "1"}, {"int", "500", "500"}, {"int", "007", "7"},
		{"byte", "0", "0"}, {"byte", "240", "240"},
		{"or", "off", "0"}, {"or", "500", "500"},
		{"mask", "0", "0"}, {"mask", "65535", "65535"}, {"mask", "0x4000", "16384"}, {"mask", "0XfF", "255"},
		{"id", "0", "0"}, {"id", "4294967294", "4294967294"},
		{"size", "1M", "1M"}, {"size", "1048576", "1M"}, {"size", "1024k", "1M"}, {"size", "1500k", "1500K"},
		{"size", "1048577", "1048577"}, {"size", "2g", "2G"}, {"size", "1024G", "1024G"},
		{"time", "1ms", "1ms"}, {"time", "1.5s", "1.5s"}, {"time", "1m30s", "1m30s"}, {"time", "1h", "1h0m0s"},
		{"onoff", "on", "on"}, {"onoff", "off", "off"},
		{"oneof", "red", "red"}, {"oneof", "green", "green"},
		{"mac", "02:00:00:00:00:01", "020000000001"}, {"mac", "02-00-00-00-00-0A", "02000000000a"}, {"mac", "0200.0000.0001", "020000000001"},
		{"ip", "10.0.0.1", "10.0.0.1"}, {"ip", "fd00::0:1", "fd00::1"}, {"ip", "127.0.0.1", "127.0.0.1"},
		{"cidr", "10.0.0.1/24", "10.0.0.1/24"}, {"cidr", "fd00::1/64", "fd00::1/64"}, {"cidr", "10.0.0.1/32", "10.0.0.1/32"},
	} {
		if got, err := reads[c.kind](c.text); err != nil || got != c.want {
			t.Errorf("%s %q is read as %s, %v; want %s", c.kind, c.text, got, err, c.want)
		}
	}
}

// Each refusal has one wording, tells the value, what it is for, and what would
// be right.
func TestValueRefusals(t *testing.T) {
	const (
		number   = `n %q is no decimal number: 1 to 500`
		outside  = `n %s is out of range: 1 to 500`
		mask     = `n %q is no decimal number, and no hexadecimal one behind 0x: 0 to 0xffff`
		id       = `n %q is no id: 0 to 4294967294`
		size     = `n %q is no size: 1M to 1024G, such as 64M or 2G`
		sizes    = `n %s is out of range: 1M to 1024G`
		duration = `n %q is no time: 1ms to 1h0m0s, such as 250ms or 1m30s`
		mac      = `n %q is no station's address: 02:00:00:00:00:01 is one`
		ip       = `n %q is no host's address: 10.0.0.1 or fd00::1 is one`
		cidr     = `n %q is no host's address with its prefix length: 10.0.0.1/24 or fd00::1/64 is one`
	)
	for _, c := range []struct {
		kind, wording string
		texts         string // between spaces; the empty one is always tried
	}{
		{"int", number, "-1 +5 -0 1e3 0x64 1.0 x ٣"},
		{"int", outside, "0 501 99999999999999999999"},
		{"byte", "n %s is out of range: 0 to 240", "241 256 99999999999999999999"},
		{"or", number + ", or off", "on -1"},
		{"or", outside + ", or off", "0 501"},
		{"mask", mask, "-2 0x 0b11 0x10g 1e3 x"},
		{"mask", "n %s is out of range: 0 to 0xffff", "65536 0x10000 99999999999999999999"},
		{"id", id, "4294967295 4294967296 -1 +1 root"},
		{"size", size, "lots M -5M +5M 1T 1.5G 1MM M1 1K1"},
		{"size", sizes, "0 1048575 1023k 1025G 99999999999999999999 549755813887G 9223372036854775807G"},
		{"time", duration, "1 1s1 s -1s +1s 1d"},
		{"time", "n %s is out of range: 1ms to 1h0m0s", "0 1us 61m"},
		{"onoff", `unknown n %q: one of off, on`, "ON 1 yes on,off"},
		{"oneof", `unknown n %q: one of red, green`, "blue Red red,green"},
		{"mac", mac, "x 01:00:00:00:00:01 ff:ff:ff:ff:ff:ff 00:00:00:00:00:00 02:00:00:00:00 02:00:00:00:00:00:00:01 2:0:0:0:0:1"},
		{"ip", ip, "x 10.0.0 0.0.0.0 :: 224.0.0.1 ff02::1 ::ffff:1.2.3.4 fe80::1%eth0 10.0.0.1/24"},
		{"cidr", cidr, "10.0.0.1 10.0.0.1/33 10.0.0.1/+8 224.0.0.1/24 0.0.0.0/0 ::/0 ff02::1/64 fe80::1%eth0/64 ::ffff:1.2.3.4/96"},
	} {
		texts := strings.Fields(c.texts)
		if !strings.Contains(c.wording, "out of range") {
			texts = append(texts, "", " ", "1 ", " 02:00:00:00:00:01", "\xff")
		}
		for _, text := range texts {
			_, err := reads[c.kind](text)
			want := fmt.Sprintf(c.wording, text)
			var e *fail.Error
			if !errors.As(err, &e) || e.Text != want || (e.Kind == fail.Range) != strings.Contains(want, "out of range") || e.Kind != fail.Range && e.Kind != fail.Invalid {
				t.Errorf("%s %q: %v, want %s", c.kind, text, err, want)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for n, want := range map[int]string{0: "n 0 is out of range: 1 to 9", 1: "", 9: "", 10: "n 10 is out of range: 1 to 9", -1: "n -1 is out of range: 1 to 9"} {
		if err := Check("n", n, 1, 9); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%d: %v, want %q", n, err, want)
		}
	}
}

// What is read from any text is shown as a text that is read as the same.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"1", "0x10", "64M", "1m30s", "on", "red", "02:00:00:00:00:01", "fd00::1", "10.0.0.1/24", "", "-1", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for kind, read := range reads {
			got, err := read(text)
			var e *fail.Error
			switch {
			case err != nil && (!errors.As(err, &e) || !strings.HasPrefix(e.Text, "n ") && !strings.HasPrefix(e.Text, "unknown n ")):
				t.Errorf("%s %q is refused by %v", kind, text, err)
			case err == nil && kind != "mac" && kind != "or":
				if again, err := read(got); err != nil || again != got {
					t.Errorf("%s %q is read as %s, and that as %s, %v", kind, text, got, again, err)
				}
			}
		}
	})
}
