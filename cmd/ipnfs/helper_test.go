package main

import (
	"slices"
	"strings"
	"testing"
)

var helpers = []struct{ args, want string }{ // no want: refused
	{"none /ipn", "mount -- none /ipn"},
	{"none /ipn -o rw,mode=1777", "mount -o rw,mode=1777 -- none /ipn"},
	{"none /ipn -o rw -o uid=5", "mount -o rw -o uid=5 -- none /ipn"},
	{"-o rw none /ipn", "mount -o rw -- none /ipn"},
	{"none /ipn -orw", "mount -o rw -- none /ipn"},
	{"none /ipn -n -v", "mount -- none /ipn"},
	{"none /ipn -nv", "mount -- none /ipn"},
	{"none /ipn -f", "mount --fake -- none /ipn"},
	{"none /ipn -sfnv -o mode=0700,unknown=3,_netdev,ro", "mount --fake -o mode=0700 -o ro -- none /ipn"},
	{"none /ipn -s -o unknown", "mount -- none /ipn"},
	{"none /ipn -nvo rw", "mount -o rw -- none /ipn"},
	{"none /ipn -N /proc/1/ns/mnt -t ipnfs.x -o rw", "mount -o rw -- none /ipn"},
	{"none /ipn -tipnfs", "mount -- none /ipn"},
	{"- /ipn", "mount -- - /ipn"},
	{"--help", "mount --help"},
	{"none /ipn -h", "mount --help"},
	{"none", ""},
	{"", ""},
	{"none /ipn more", ""},
	{"none /ipn -x", ""},
	{"none /ipn -fx", ""},
	{"none /ipn -o", ""},
	{"none /ipn -N", ""},
	{"none /ipn --", ""},
	{"none /ipn -ä", ""},
}

func TestHelperArgs(t *testing.T) {
	for _, c := range helpers {
		got, err := helperArgs(strings.Fields(c.args))
		if strings.Join(got, " ") != c.want || (err == nil) != (c.want != "") {
			t.Errorf("mount.ipnfs %s: %q, %v; want %q", c.args, got, err, c.want)
		}
	}
}

// Whatever mount(8) says, the command line that comes of it is one of ipnfs,
// and the names stand behind --.
func FuzzHelperArgs(f *testing.F) {
	for _, c := range helpers {
		f.Add(c.args)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		got, err := helperArgs(args)
		if err != nil {
			if got != nil || err.Error() == "" {
				t.Errorf("%q: %q and %v", args, got, err)
			}
			return
		}
		if slices.Equal(got, []string{"mount", "--help"}) {
			return
		}
		end := len(got) - 3
		if end < 1 || got[0] != "mount" || got[end] != "--" {
			t.Fatalf("%q: %q", args, got)
		}
		for _, name := range got[end+1:] {
			if !slices.Contains(args, name) {
				t.Errorf("%q: %q has a name that was not given", args, got)
			}
		}
		for i := 1; i < end; i++ {
			switch got[i] {
			case "--fake":
			case "-o":
				i++
			default:
				t.Errorf("%q: %q has %q", args, got, got[i])
			}
		}
		command, _, err := rootCommand().Find(got)
		if err != nil || command.Name() != "mount" {
			t.Fatalf("%q: %q is no command: %v", args, got, err)
		}
		if err := command.ParseFlags(got[1:]); err != nil {
			t.Errorf("%q: %q is not understood: %v", args, got, err)
		}
		if n := command.Flags().NArg(); n != 2 {
			t.Errorf("%q: %q has %d names", args, got, n)
		}
	})
}
