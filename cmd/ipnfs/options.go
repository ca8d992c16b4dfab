package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ipnfs/bus"
	"ipnfs/words"
)

// mountOptions is what -o says.
type mountOptions struct {
	source     string
	dir        string // absolute
	root       bus.Access
	limits     bus.Limits
	rc         string // absolute, or empty
	log        string // file, "journal" or empty
	exec       bool
	allowOther bool
}

// ignoredOptions are those of mount(8) and fstab that are not for us, or that
// are so anyway.
var ignoredOptions = map[string]bool{
	"rw": true, "defaults": true, "auto": true, "noauto": true, "nofail": true, "_netdev": true,
	"user": true, "users": true, "nouser": true, "owner": true, "group": true,
	"dev": true, "nodev": true, "suid": true, "nosuid": true,
	"async": true, "sync": true, "atime": true, "noatime": true, "relatime": true, "norelatime": true,
	"diratime": true, "nodiratime": true, "strictatime": true, "nostrictatime": true, "lazytime": true, "nolazytime": true,
	"silent": true, "loud": true, "default_permissions": true,
}

// parseOptions reads the values of -o, each a list with commas.
func parseOptions(lists []string) (*mountOptions, error) {
	o := &mountOptions{
		root:       bus.Access{Mode: 0o755, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())},
		limits:     bus.DefaultLimits(),
		allowOther: os.Geteuid() == 0,
	}
	for _, option := range strings.Split(strings.Join(lists, ","), ",") {
		if err := o.set(option); err != nil {
			return nil, failf(exitUsage, "%w", err)
		}
	}
	return o, nil
}

// options are our own.
func (o *mountOptions) options() words.Options {
	on := func(name string, to *bool, value bool) words.Option { // the last one wins, as for mount(8)
		return words.Option{Key: name, Set: func(string) error { *to = value; return nil }}
	}
	return words.Options{
		words.One("mode", &o.root.Mode, parseMode),
		words.One("uid", &o.root.UID, words.ID),
		words.One("gid", &o.root.GID, words.ID),
		words.One("rc", &o.rc, func(_, value string) (string, error) {
			path, err := filepath.Abs(value)
			if err == nil {
				_, err = os.Stat(path)
			}
			return path, err
		}),
		words.One("ports_max", &o.limits.Ports, words.Between(1, 1<<24)),
		words.One("networks_max", &o.limits.Networks, words.Between(1, 1<<20)),
		words.One("mem", &o.limits.Memory, func(what, value string) (int64, error) { return words.Size(what, value, 1<<20, 1<<40) }),
		words.One("log", &o.log, func(_, value string) (string, error) {
			if value == "journal" {
				return value, nil
			}
			return filepath.Abs(value)
		}),
		on("exec", &o.exec, true),
		on("noexec", &o.exec, false),
		on("allow_other", &o.allowOther, true),
		on("noallow_other", &o.allowOther, false),
	}
}

// set reads one option.
func (o *mountOptions) set(option string) error {
	w, ours := words.Cut(option), o.options()
	switch {
	case ours.Find(w.Key) != nil:
		if err := ours.Read([]words.Word{w}, nil); err != nil {
			return fmt.Errorf("option %s: %w", option, err)
		}
	case option == "" || !w.Valued && ignoredOptions[w.Key] || strings.HasPrefix(w.Key, "x-") || w.Key == "comment":
	case option == "ro":
		return errors.New("option ro: a network that cannot be written is none")
	default:
		return fmt.Errorf("unknown option %q: the options are %s, and those of mount(8)", option, strings.Join(ours.Names(), " "))
	}
	return nil
}

func parseMode(_, value string) (uint32, error) {
	mode, err := strconv.ParseUint(value, 8, 12)
	if err != nil {
		return 0, errors.New("must be octal, such as 0755 or 1777")
	}
	return uint32(mode), nil
}
