package main

import (
	"fmt"
	"strings"

	"ipnfs/words"
)

// helperArgs turns the arguments of mount(8)'s helper,
//
//	mount.ipnfs SOURCE DIR [-sfnv] [-N namespace] [-o options] [-t type]
//
// into those of ipnfs mount. -s (tolerate unknown options) drops what we do
// not know; -f is a fake mount that does everything but mount; -n and -v are
// as good as done; -N has happened when we are called.
func helperArgs(args []string) ([]string, error) {
	var names, options []string
	fake, sloppy := false, false
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--help" || a == "-h":
			return []string{"mount", "--help"}, nil
		case len(a) < 2 || a[0] != '-':
			names = append(names, a)
		default:
			for k, flag := range a[1:] {
				if strings.ContainsRune("oNt", flag) {
					value := a[1:][k+1:]
					if value == "" {
						if i++; i == len(args) {
							return nil, fmt.Errorf("option -%c needs a value", flag)
						}
						value = args[i]
					}
					if flag == 'o' {
						options = append(options, value)
					}
					break
				}
				switch flag {
				case 'f':
					fake = true
				case 's':
					sloppy = true
				case 'n', 'v':
				default:
					return nil, fmt.Errorf("unknown option -%c: usage: mount.ipnfs SOURCE DIR [-sfnv] [-N namespace] [-o options] [-t type]", flag)
				}
			}
		}
	}
	if len(names) != 2 {
		return nil, fmt.Errorf("usage: mount.ipnfs SOURCE DIR [-sfnv] [-N namespace] [-o options] [-t type]")
	}
	if sloppy {
		options = knownOptions(options)
	}
	out := []string{"mount"}
	if fake {
		out = append(out, "--fake")
	}
	for _, o := range options {
		out = append(out, "-o", o)
	}
	return append(out, "--", names[0], names[1]), nil
}

// knownOptions leaves out what parseOptions would refuse as unknown.
func knownOptions(lists []string) []string {
	var known []string
	ours := new(mountOptions).options()
	for _, option := range strings.Split(strings.Join(lists, ","), ",") {
		if key := words.Cut(option).Key; key == "ro" || ours.Find(key) != nil {
			known = append(known, option)
		}
	}
	return known
}
