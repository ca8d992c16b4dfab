package words

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	for text, want := range map[string]struct {
		name string
		rest []Word
	}{
		"":            {"", nil},
		" \t":         {"", nil},
		"lan":         {"lan", []Word{}},
		"a=b c":       {"a=b", []Word{{"c", "", false}}},
		" a  b=c\td=": {"a", []Word{{"b", "c", true}, {"d", "", true}}},
		"a b=c=d =e":  {"a", []Word{{"b", "c=d", true}, {"", "e", true}}},
	} {
		if name, rest := Name(text); name != want.name || !reflect.DeepEqual(rest, want.rest) {
			t.Errorf("%q is read as %q, %v", text, name, rest)
		}
	}
}

func TestSigned(t *testing.T) {
	for command, want := range map[string]struct {
		sign byte
		rest string
	}{
		"tap0": {0, "tap0"}, "+tap0 up": {'+', "tap0 up"}, "-tap0 netns=a": {'-', "tap0 netns=a"}, "-a-b+c": {'-', "a-b+c"},
	} {
		if sign, rest, err := Signed(command); err != nil || sign != want.sign || rest != want.rest {
			t.Errorf("%q is read as %c, %q, %v", command, sign, rest, err)
		}
	}
	for command, want := range map[string]string{
		"": `"": a name must follow the sign`, "+": `"+": a name must follow the sign`, "- tap0": `"- tap0": a name must follow the sign`,
		"+-tap0": `"-tap0": a name does not begin with a sign`, "++a": `"+a": a name does not begin with a sign`, "--a b": `"-a": a name does not begin with a sign`,
	} {
		if _, _, err := Signed(command); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", command, err, want)
		}
	}
}

func TestList(t *testing.T) {
	for text, want := range map[string][]string{"": {}, " ,\t": {}, "1": {"1"}, "1,2 3\t4, 5": {"1", "2", "3", "4", "5"}, "1-3,9": {"1-3", "9"}} {
		if got := List(text); !slices.Equal(got, want) {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}

func TestArgs(t *testing.T) {
	args, err := Args(Split("a=1 b=c=d e="))
	if want := map[string]string{"a": "1", "b": "c=d", "e": ""}; err != nil || !maps.Equal(args, want) {
		t.Errorf("it is read as %v, %v", args, err)
	}
	for text, want := range map[string]string{"a": `"a" is no argument: key=value is one`, "a=1 =2": `"=2" is no argument: key=value is one`, "a=1 a=1": "a is given twice"} {
		if _, err := Args(Split(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// thing is what the options of these tests set.
type thing struct {
	Up     bool
	Port   int
	Name   string
	Note   string
	Addrs  []string
	Others []string
}

func (th *thing) options() Options {
	return Options{
		One("port", &th.Port, Between(1, 9)),
		One("name", &th.Name, Text),
		{Key: "note", Value: true, Empty: true, Set: func(v string) error { th.Note = "<" + v + ">"; return nil }},
		{Key: "addr", Value: true, Many: true, Set: func(v string) error { th.Addrs = append(th.Addrs, v); return nil }},
		Flag("up", &th.Up),
	}
}

func (th *thing) other(w Word) error {
	th.Others = append(th.Others, w.String())
	return nil
}

func TestOptions(t *testing.T) {
	for text, want := range map[string]thing{
		"":                             {},
		"up":                           {Up: true},
		"name=a=b port=7 up":           {Up: true, Name: "a=b", Port: 7},
		"addr=1 note= addr=1":          {Addrs: []string{"1", "1"}, Note: "<>"},
		"x y=1 up storm=a=1 storm=b=2": {Up: true, Others: []string{"x", "y=1", "storm=a=1", "storm=b=2"}},
	} {
		var th thing
		if err := th.options().Read(Split(text), th.other); err != nil || !reflect.DeepEqual(th, want) {
			t.Errorf("%q is read as %+v, %v", text, th, err)
		}
	}
}

func TestOptionRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"name":              "name needs a value: name=...",
		"name=":             "name needs a value: name=...",
		"note":              "note needs a value: note=...",
		"up=1":              "up takes no value",
		"up=":               "up takes no value",
		"up port=1 up":      "up is given twice",
		"port=1 port=1":     "port is given twice",
		"port=x":            `port "x" is no decimal number: 1 to 9`,
		"port=10":           "port 10 is out of range: 1 to 9",
		"x=":                "x needs a value: x=...",
		"=":                 " needs a value: =...",
		"x=1 x=1":           "x is given twice",
		"s=a=1 s=a=2":       "s=a is given twice",
		"x x":               "x is given twice",
		"up colour=red":     "",
		"strict colour=red": `there is no option "colour": one of port=, name=, note=, addr=, up`,
	} {
		var th thing
		other := th.other
		if rest, strict := strings.CutPrefix(text, "strict "); strict {
			text, other = rest, nil
		}
		if err := th.options().Read(Split(text), other); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// Words read as the same again, however a command is written.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"+a b=c d", "- x", "name=a port=3 up", "= == =", "\t\xff\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var again []string
		for _, w := range Split(text) {
			again = append(again, w.String())
		}
		if !slices.Equal(again, strings.Fields(text)) {
			t.Errorf("%q is read as %q", text, again)
		}
		if sign, rest, err := Signed(text); err == nil && (sign == 0 && rest != text || sign != 0 && string(sign)+rest != text) {
			t.Errorf("%q is read as %c and %q", text, sign, rest)
		}
		var th thing
		if err := th.options().Read(Split(text), nil); err == nil && (th.Others != nil || th.Port < 0 || th.Port > 9) {
			t.Errorf("%q is read as %+v", text, th)
		}
		_, _ = Args(Split(text))
		_ = List(text)
	})
}
