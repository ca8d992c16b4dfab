package words

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Locator tells where something is, and how to get there:
// SCHEME://REST[?KEY=VALUE[&KEY=VALUE]...]. What a rest means is its scheme's
// matter.
type Locator struct {
	Scheme string
	Rest   string
	Args   []Word // in order, each with a value; for Options.Read
}

// ParseLocator reads a locator. It holds no white space: what cannot stand in
// a rest or value by itself is written %XX there, as in a URL (RFC 3986 2.1).
func ParseLocator(text string) (l Locator, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	rest, query, asked := strings.Cut(rest, "?")
	switch {
	case !ok || !plain(scheme) || rest == "":
		return l, invalid("%q is no locator: SCHEME://REST[?key=value&...]", text)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, hidden):
		return l, invalid("locator %q: no white space or control characters: a space is %%20", text)
	}
	l.Scheme = scheme
	if l.Rest, err = unescape(rest); err != nil {
		return Locator{}, err
	}
	if asked {
		for arg := range strings.SplitSeq(query, "&") {
			w := Cut(arg)
			if !plain(w.Key) || !w.Valued {
				return Locator{}, invalid("%q in a locator is no argument: key=value is one, with & between", arg)
			}
			if w.Value, err = unescape(w.Value); err != nil {
				return Locator{}, err
			}
			l.Args = append(l.Args, w)
		}
	}
	return l, nil
}

// String gives l as ParseLocator takes it.
func (l Locator) String() string {
	text, before := l.Scheme+"://"+escape(l.Rest, "?"), "?"
	for _, w := range l.Args {
		text += before + w.Key + "=" + escape(w.Value, "&")
		before = "&"
	}
	return text
}

// plain tells whether s can be a scheme or a key: a small letter, then those,
// digits, - and _.
func plain(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return s != "" && strings.Contains(letters, s[:1]) && strings.Trim(s, letters+decimal+"-_") == ""
}

func hidden(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

func unescape(s string) (string, error) {
	out, err := url.PathUnescape(s)
	if err != nil || strings.Contains(out, "\x00") {
		return "", invalid("%q in a locator: %%XX stands for a byte, but not for 0, and %%25 for a percent sign", s)
	}
	return out, nil
}

// escape writes what is hidden, no UTF-8, a percent sign or one of special as
// %XX.
func escape(s, special string) string {
	var b strings.Builder
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		if bytes := s[i : i+size]; r == utf8.RuneError && size == 1 || hidden(r) || strings.Contains("%"+special, bytes) {
			for k := range size {
				fmt.Fprintf(&b, "%%%02X", bytes[k])
			}
		} else {
			b.WriteString(bytes)
		}
	}
	return b.String()
}
