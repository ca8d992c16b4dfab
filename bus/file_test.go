package bus

import (
	"slices"
	"testing"

	"ipnfs/bus/fail"
)

// withFiles lets a test register files that others do not see.
func withFiles(t *testing.T) {
	put := func(list []File) (was []File) {
		fileMu.Lock()
		defer fileMu.Unlock()
		was, files = files, list
		return was
	}
	was := put(nil)
	t.Cleanup(func() { put(was) })
}

func text(at At) string                { return "" }
func command(At, Caller, string) error { return nil }

type set struct{ by Caller }

func (s *set) Attach(_ *Network, by Caller, command string) error {
	s.by = by
	return fail.Errorf(fail.Exists, "+%s", command)
}
func (s *set) Detach(_ *Network, by Caller, command string) error {
	s.by = by
	return fail.Errorf(fail.Unknown, "-%s", command)
}
func (s *set) List(*Network) string { return "all" }

func TestRegisterFileRefuses(t *testing.T) {
	good := File{Place: InPort, Name: "f", Summary: "s", Rule: ReadOnly, Read: text}
	for name, change := range map[string]func(f *File){
		"no name":                   func(f *File) { f.Name = "" },
		"a path":                    func(f *File) { f.Name = "a/b" },
		"no such place":             func(f *File) { f.Place = InPort + 1 },
		"no summary":                func(f *File) { f.Summary = "" },
		"no rule":                   func(f *File) { f.Rule = nil },
		"nothing that serves it":    func(f *File) { f.Read = nil },
		"only writable":             func(f *File) { f.Read, f.Write = nil, command },
		"a set of a port":           func(f *File) { f.Read, f.Set = nil, &set{} },
		"a socket of a port":        func(f *File) { f.Read, f.Socket = nil, &Socket{} },
		"a socket and a text":       func(f *File) { f.Place, f.Socket = InNetwork, &Socket{} },
		"a socket and a set":        func(f *File) { f.Place, f.Read, f.Set, f.Socket = InNetwork, nil, &set{}, &Socket{} },
		"a name twice in one place": func(f *File) { RegisterFile(*f) },
	} {
		withFiles(t)
		f := good
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			change(&f)
			RegisterFile(f)
		}()
	}
}

func TestFiles(t *testing.T) {
	withFiles(t)
	for _, f := range []File{
		{Place: InPort, Name: "a"}, {Place: InNetwork, Name: "b", Can: func() bool { return false }},
		{Place: InNetwork, Name: "a"}, {Place: InRoot, Name: "c"},
	} {
		f.Summary, f.Rule, f.Read = "s", ReadOnly, text
		RegisterFile(f)
	}
	var names []string
	for _, f := range Files() {
		names = append(names, f.Name)
	}
	if want := []string{"c", "a", "b", "a"}; !slices.Equal(names, want) {
		t.Errorf("the files are %v, want %v", names, want)
	}
	if got, want := Features(), []string{"a", "c"}; !slices.Equal(got, want) {
		t.Errorf("the features are %v, want %v", got, want)
	}
}

// A set gets commands without sign, and refuses what is none.
func TestSetCommands(t *testing.T) {
	withFiles(t)
	s := &set{}
	RegisterFile(File{Place: InNetwork, Name: "set", Summary: "s", Rule: Managed, Set: s})
	f := Files()[0]
	if !f.Live || f.Read(At{}) != "all" {
		t.Errorf("it is registered as %+v", f)
	}
	if AttacherOf("set") != s || AttacherOf("other") != nil {
		t.Error("it is not found by its name, or another is")
	}
	for command, want := range map[string]string{
		"x": "+x", "+x up": "+x up", "-x": "-x", "-x  netns=y": "-x  netns=y", // each is told by an error of ours
		"+": "", "-": "", "+ x": "", "- x": "", "--x": "", "-+x": "", "+-x": "", "++x": "",
	} {
		s.by = Caller{}
		err := f.Write(At{}, Caller{}, command)
		if told := s.by.Kind == "set"; told != (want != "") || told && err.Error() != want || !told && fail.KindOf(err) != fail.Invalid {
			t.Errorf("%q: %v, by %+v", command, err, s.by)
		}
	}
}

func TestRules(t *testing.T) {
	for port, want := range map[uint32][2]uint32{0o000: {0o444, 0o444}, 0o110: {0o444, 0o664}, 0o766: {0o444, 0o644}, 0o777: {0o444, 0o666}} {
		if got := [2]uint32{ReadOnly(port), Managed(port)}; got != want {
			t.Errorf("port has %o: a report has %o, a setting %o, want %o", port, got[0], got[1], want)
		}
	}
}
