package bus

import (
	"reflect"
	"testing"

	"ipnfs/bus/fail"
)

// What is written to a file that somebody opened counts as far as both may.
func TestCredentialsUnder(t *testing.T) {
	root := Credentials{Effective: 1<<12 | 1<<21, Known: true}
	user := Credentials{UID: 5, GID: 6, Groups: []int{7, 8}, Known: true}
	with := func(c Credentials, change func(*Credentials)) Credentials {
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		writer, opener Credentials
		want           *Credentials // nil: refused
	}{
		"the same":              {user, user, &user},
		"root, the same":        {root, root, &root},
		"another user":          {root, user, nil},
		"another user's":        {user, root, nil},
		"one without rights":    {root, Credentials{Known: true}, &Credentials{Known: true}},
		"one that is unknown":   {root, Credentials{}, &Credentials{}},
		"unknown by now":        {Credentials{}, root, &Credentials{}},
		"fewer capabilities":    {root, with(root, func(c *Credentials) { c.Effective = 1 << 12 }), &Credentials{Effective: 1 << 12, Known: true}},
		"a group left since":    {user, with(user, func(c *Credentials) { c.Groups = []int{6, 7, 8, 9} }), &user},
		"a group joined since":  {user, with(user, func(c *Credentials) { c.Groups = []int{8} }), &Credentials{UID: 5, GID: 6, Groups: []int{8}, Known: true}},
		"first group was other": {user, with(user, func(c *Credentials) { c.GID, c.Groups = 7, []int{6, 8} }), &user},
		"first group is new":    {user, with(user, func(c *Credentials) { c.GID = 9 }), nil},
	} {
		got, err := c.writer.Under(c.opener)
		switch {
		case c.want == nil && fail.KindOf(err) != fail.Denied:
			t.Errorf("%s: error %v, want a refusal", name, err)
		case c.want != nil && (err != nil || got.Effective != c.want.Effective || got.Known != c.want.Known ||
			got.GID != c.want.GID || len(got.Groups)+len(c.want.Groups) > 0 && !reflect.DeepEqual(got.Groups, c.want.Groups)):
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, *c.want)
		}
	}
	if !reflect.DeepEqual(user.Groups, []int{7, 8}) {
		t.Errorf("the writer's groups became %v", user.Groups)
	}
	if !root.Can(12) || root.Can(13) {
		t.Error("Can does not tell the bits apart")
	}
}

// Of a caller who is unknown, or whose file somebody unknown opened, the
// namespaces are nobody's.
func TestCredentialsUnderThread(t *testing.T) {
	known := Credentials{Thread: 9, Known: true}
	if got, err := known.Under(Credentials{Known: true, Thread: 8}); err != nil || got.Thread != 9 {
		t.Errorf("the writer's thread is %d, %v", got.Thread, err)
	}
	if got, err := known.Under(Credentials{}); err != nil || got.Thread != 0 {
		t.Errorf("the file was opened by somebody unknown, and the thread is %d, %v", got.Thread, err)
	}
}
