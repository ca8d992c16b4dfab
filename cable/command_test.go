package cable

import (
	"reflect"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

func TestParse(t *testing.T) {
	type want struct {
		rest, name, group, netns string
		port, maxLen             int
		setup                    []bus.PortSetting
	}
	for line, w := range map[string]want{
		"fake://x":                   {rest: "x"},
		"  fake://x  ":               {rest: "x"},
		"fake://x?a=1&name=b name=c": {rest: "x", name: "c"},
		"fake://a%20b%3f port=7 group=g netns=blue":  {rest: "a b?", port: 7, group: "g", netns: "blue"},
		"fake://x mtu=1000 vlan=5 isolated=on":       {rest: "x", maxLen: 1000, setup: []bus.PortSetting{{Name: "vlan", Value: "5"}, {Name: "isolated", Value: "on"}}},
		"run://ssh host vde_plug":                    {rest: "ssh host vde_plug"},
		"run://ssh\thost name=x":                     {rest: "ssh\thost", name: "x"},
		"run://a  b   mtu=100 port=3":                {rest: "a  b", port: 3, maxLen: 100},
		"run://env name=x prog":                      {rest: "env name=x prog"},
		"run://prog name%3Dx":                        {rest: "prog name=x"},
		"run://prog vlan=5":                          {rest: "prog vlan=5"},
		"run://prog name":                            {rest: "prog name"},
		"run://sh -c 'test? x' port=1":               {rest: "sh -c 'test? x'", port: 1},
		"run://100%25 a%20b":                         {rest: "100% a b"},
		"run://prog --name=x":                        {rest: "prog --name=x"},
		"run://prog x://y?z name=a-b_c.d group=9 \t": {rest: "prog x://y?z", name: "a-b_c.d", group: "9"},
	} {
		c, err := parse(line)
		if err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		got := want{c.locator.Rest, c.name, c.group, c.netns, c.port.Number, c.maxLen, c.port.Setup}
		if !reflect.DeepEqual(got, w) || !c.port.Make || !c.port.Alone {
			t.Errorf("%q is read as %+v, want %+v", line, got, w)
		}
		// What is shown of it is read as the same.
		again, err := parse(c.locator.String())
		if err != nil || again.locator.Rest != w.rest || !reflect.DeepEqual(again.locator.Args, c.locator.Args) {
			t.Errorf("%q is shown as %q, which is read as %+v, %v", line, c.locator, again, err)
		}
	}
}

func TestParseRefusals(t *testing.T) {
	for line, c := range map[string]struct {
		kind fail.Kind
		text string
	}{
		"":                               {fail.Invalid, "is no locator"},
		"lan":                            {fail.Invalid, "is no locator"},
		"name=x fake://y":                {fail.Invalid, "is no locator"},
		"none://x":                       {fail.Invalid, "there is no cable none://: one of absent://, fake://, own://, run://, waits://"},
		"absent://x":                     {fail.Unsupported, "absent://"},
		"fake://":                        {fail.Invalid, "is no locator"},
		"fake://x%":                      {fail.Invalid, "%25"},
		"fake://x name=":                 {fail.Invalid, "name needs a value"},
		"fake://x name=a/b":              {fail.Invalid, "letters, digits"},
		"fake://x group=..":              {fail.Invalid, "letters, digits"},
		"fake://x name=a name=b":         {fail.Invalid, "name is given twice"},
		"fake://x port=0":                {fail.Range, "port 0 is out of range"},
		"fake://x port=x":                {fail.Invalid, "no decimal number"},
		"fake://x mtu=59":                {fail.Range, "mtu 59"},
		"fake://x mtu=99999999":          {fail.Range, "mtu"},
		"fake://x vlan=":                 {fail.Invalid, "vlan needs a value"},
		"run://":                         {fail.Invalid, "is no locator"},
		"run:// name=x":                  {fail.Invalid, "is no locator"},
		"run://x name=a name=b":          {fail.Invalid, "name is given twice"},
		"run://50% off":                  {fail.Invalid, "%25"},
		"run://a\x01b":                   {fail.Invalid, "control characters"},
		"run://a%00b":                    {fail.Invalid, "not for 0"},
		"run://a mtu=1":                  {fail.Range, "mtu 1"},
		"fake://x netns=":                {fail.Invalid, "netns needs a value"},
		"fake://x?a name=b":              {fail.Invalid, "is no argument"},
		"run://a port=1 b port=70000000": {fail.Range, "port 70000000"},
	} {
		if _, err := parse(line); fail.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: %v (kind %d), want %s", line, err, fail.KindOf(err), c.text)
		}
	}
	for line, want := range map[string]string{"a": "a", "a ": "a", "a x": "", "a=b c": ""} {
		if name, err := parseDetach(line); name != want || (err == nil) != (want != "") {
			t.Errorf("-%s is read as %q, %v", line, name, err)
		}
	}
}

// No line is a crash, and what is taken is shown in a form that is taken.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"fake://x?a=b name=c vlan=3", "run://a b?c name=d  port=3", "run://%41 %2", " run:// x=1", "run://\u00a0 \u2003 name=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parse(line)
		if err != nil {
			if fail.KindOf(err) == 0 {
				t.Errorf("%q: %v is no refusal", line, err)
			}
			return
		}
		again, err := parse(c.locator.String() + " port=1")
		if err != nil || !reflect.DeepEqual(again.locator, c.locator) || again.port.Number != 1 {
			t.Errorf("%q is shown as %q, which is read as %+v, %v", line, c.locator, again, err)
		}
	})
}
