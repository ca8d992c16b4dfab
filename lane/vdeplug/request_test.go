package vdeplug

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ipnfs/bus/fail"
)

// ask makes a request of version 3.
func ask(kind uint32, client *Address, description string) []byte {
	b := binary.NativeEndian.AppendUint32(nil, magic)
	b = binary.NativeEndian.AppendUint32(b, 3)
	b = binary.NativeEndian.AppendUint32(b, kind)
	return append(append(b, client[:]...), description...)
}

// old makes a request of version 1.
func old(kind uint32, client *Address, description string) []byte {
	b := binary.NativeEndian.AppendUint32(nil, magic)
	b = binary.NativeEndian.AppendUint32(b, kind)
	b = append(b, "MACMAC"...)
	return append(append(b, client[:]...), description...)
}

func TestParse(t *testing.T) {
	path := AddressOf("/tmp/own")
	inet := *path
	inet[0], inet[1] = 2, 2
	whole := AddressOf(strings.Repeat("x", 108))
	for what, c := range map[string]struct {
		said []byte
		want Request
	}{
		"version 3":               {ask(0, path, ""), Request{0, *path, ""}},
		"a description":           {ask(0, path, "QEMU"), Request{0, *path, "QEMU"}},
		"a port":                  {ask(7<<8, path, "x"), Request{7, *path, "x"}},
		"the highest port":        {ask(0xffffff00, path, ""), Request{0xffffff, *path, ""}},
		"UML's two bytes of gap":  {ask(0, path, "\x00\x07"), Request{0, *path, ""}},
		"an abstract name":        {ask(0, AddressOf("\x00name"), ""), Request{0, *AddressOf("\x00name"), ""}},
		"a path without end":      {ask(0, whole, ""), Request{0, *whole, ""}},
		"version 1":               {old(0, path, ""), Request{0, *path, ""}},
		"version 1, a text":       {old(0, path, "old"), Request{0, *path, "old"}},
		"what cannot be printed":  {ask(0, path, "a\nb\x1b[0m\xffc\u202ed\te"), Request{0, *path, "a?b?[0m?c?d?e"}},
		"letters":                 {ask(0, path, "für ü"), Request{0, *path, "für ü"}},
		"space around":            {ask(0, path, "  x y "), Request{0, *path, "x y"}},
		"the longest description": {ask(0, path, strings.Repeat("d", 134)), Request{0, *path, strings.Repeat("d", 127)}},
	} {
		if got, err := Parse(c.said); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
		size := 122 // of a request without a description
		if strings.HasPrefix(what, "version 1") {
			size = 124
		}
		for n := range size {
			if _, err := Parse(c.said[:n]); err != ErrShort {
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
		"no address":        {ask(0, AddressOf(""), ""), fail.Invalid, "no address"},
	} {
		_, err := Parse(c.said)
		if fail.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What a client asks is what a switch hears.
func TestAppend(t *testing.T) {
	for _, want := range []Request{
		{AnyPort, *AddressOf("/tmp/own"), ""},
		{MaxPort, *NewName(), "ipnfs"},
	} {
		if got, err := Parse(want.Append(nil)); err != nil || got != want {
			t.Errorf("%+v came as %+v, %v", want, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ask(0, AddressOf("/tmp/own"), "QEMU"))
	f.Add(ask(7<<8, AddressOf("\x00abstract"), "a\nb\xff"))
	f.Add(old(0, AddressOf("/x"), "old"))
	f.Add(ask(1, AddressOf("/x"), ""))
	f.Add([]byte("GET /"))
	f.Fuzz(func(t *testing.T, said []byte) {
		r, err := Parse(said)
		if err != nil {
			return
		}
		d := r.Description
		if len(d) > maxDescribe || !utf8.ValidString(d) || strings.ContainsFunc(d, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("described as %q", d)
		}
		if r.Port < 0 || r.Client.Abstract() && r.Client.Path() != "" {
			t.Errorf("%+v", r)
		}
	})
}

// What a switch answers is an address or refused, whatever it is.
func FuzzAddress(f *testing.F) {
	f.Add([]byte("\x01\x00/run/vde/001.5"))
	f.Add(NewName()[:])
	f.Add([]byte("\x02\x00x"))
	f.Fuzz(func(t *testing.T, said []byte) {
		a := new(Address)
		copy(a[:], said)
		if a.Check() != nil {
			return
		}
		if a.Abstract() != (a.Path() == "") || a.String() == "" || strings.ContainsFunc(a.String(), unicode.IsControl) {
			t.Errorf("%x is shown as %s", a[:], a)
		}
	})
}
