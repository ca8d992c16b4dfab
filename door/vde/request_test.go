package vde

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ipnfs/bus/fail"
)

// old makes a request of version 1.
func old(kind uint32, client *address, description string) []byte {
	b := binary.NativeEndian.AppendUint32(nil, magic)
	b = binary.NativeEndian.AppendUint32(b, kind)
	b = append(b, "MACMAC"...)
	return append(append(b, client[:]...), description...)
}

func TestParse(t *testing.T) {
	path := addressOf("/tmp/own")
	inet := *path
	inet[0], inet[1] = 2, 2
	whole := addressOf(strings.Repeat("x", 108))
	for what, c := range map[string]struct {
		said []byte
		want request
	}{
		"version 3":               {ask(0, path, ""), request{0, *path, ""}},
		"a description":           {ask(0, path, "QEMU"), request{0, *path, "QEMU"}},
		"a port":                  {ask(7<<8, path, "x"), request{7, *path, "x"}},
		"the highest port":        {ask(0xffffff00, path, ""), request{0xffffff, *path, ""}},
		"UML's two bytes of gap":  {ask(0, path, "\x00\x07"), request{0, *path, ""}},
		"an abstract name":        {ask(0, addressOf("\x00name"), ""), request{0, *addressOf("\x00name"), ""}},
		"a path without end":      {ask(0, whole, ""), request{0, *whole, ""}},
		"version 1":               {old(0, path, ""), request{0, *path, ""}},
		"version 1, a text":       {old(0, path, "old"), request{0, *path, "old"}},
		"what cannot be printed":  {ask(0, path, "a\nb\x1b[0m\xffc\u202ed\te"), request{0, *path, "a?b?[0m?c?d?e"}},
		"letters":                 {ask(0, path, "für ü"), request{0, *path, "für ü"}},
		"space around":            {ask(0, path, "  x y "), request{0, *path, "x y"}},
		"the longest description": {ask(0, path, strings.Repeat("d", 134)), request{0, *path, strings.Repeat("d", 127)}},
	} {
		if got, err := parse(c.said); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
		size := 122 // of a request without a description
		if strings.HasPrefix(what, "version 1") {
			size = 124
		}
		for n := range size {
			if _, err := parse(c.said[:n]); err != errShort {
				t.Errorf("%s: the first %d bytes: %v", what, n, err)
			}
		}
	}
	for what, c := range map[string]struct {
		said []byte
		kind fail.Kind
		text string
	}{
		"another protocol":  {[]byte("GET / HTTP/1.0"), fail.Invalid, "47455420"},
		"version 2":         {append(ask(0, path, "")[:4], 2, 0, 0, 0), fail.Invalid, "version 2"},
		"version 4":         {append(ask(0, path, "")[:4], 4, 0, 0, 0), fail.Invalid, "version 4"},
		"port 0":            {ask(1, path, ""), fail.Unsupported, "management"},
		"port 0, version 1": {old(1, path, ""), fail.Unsupported, "management"},
		"another type":      {ask(2, path, ""), fail.Invalid, "type 2"},
		"another family":    {ask(0, &inet, ""), fail.Invalid, "family 514"},
		"no address":        {ask(0, addressOf(""), ""), fail.Invalid, "no address"},
	} {
		_, err := parse(c.said)
		if fail.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ask(0, addressOf("/tmp/own"), "QEMU"))
	f.Add(ask(7<<8, addressOf("\x00abstract"), "a\nb\xff"))
	f.Add(old(0, addressOf("/x"), "old"))
	f.Add(ask(1, addressOf("/x"), ""))
	f.Add([]byte("GET /"))
	f.Fuzz(func(t *testing.T, said []byte) {
		r, err := parse(said)
		if err != nil {
			return
		}
		d := r.description
		if len(d) > maxDescribe || !utf8.ValidString(d) || strings.ContainsFunc(d, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("described as %q", d)
		}
		if r.port < 0 || r.client.abstract() && r.client.path() != "" {
			t.Errorf("%+v", r)
		}
	})
}
