package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ipnfs/bus"
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

// optionNames lists our own, for messages and completion.
var optionNames = []string{"mode=", "uid=", "gid=", "rc=", "ports_max=", "networks_max=", "mem=", "log=", "exec", "noexec", "allow_other", "noallow_other"}

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

func (o *mountOptions) set(option string) error {
	name, value, valued := strings.Cut(option, "=")
	known := false
	for _, n := range optionNames {
		known = known || n == name+"=" || n == name
		if n == name+"=" && (!valued || value == "") {
			return fmt.Errorf("option %s needs a value: %s=VALUE", name, name)
		}
		if n == name && valued {
			return fmt.Errorf("option %s takes no value", name)
		}
	}
	switch {
	case option == "" || !valued && ignoredOptions[name] || strings.HasPrefix(name, "x-") || name == "comment":
		return nil
	case option == "ro":
		return fmt.Errorf("option ro: a network that cannot be written is none")
	case !known:
		return fmt.Errorf("unknown option %q: the options are %s, and those of mount(8)", option, strings.Join(optionNames, " "))
	}
	var err error
	switch name {
	case "mode":
		var mode uint64
		if mode, err = strconv.ParseUint(value, 8, 12); err != nil {
			return fmt.Errorf("option mode=%s: must be octal, such as 0755 or 1777", value)
		}
		o.root.Mode = uint32(mode)
	case "uid":
		o.root.UID, err = parseID(option, value)
	case "gid":
		o.root.GID, err = parseID(option, value)
	case "rc":
		if o.rc, err = filepath.Abs(value); err == nil {
			_, err = os.Stat(o.rc)
		}
	case "ports_max":
		o.limits.Ports, err = parseLimit(option, value, 1<<24)
	case "networks_max":
		o.limits.Networks, err = parseLimit(option, value, 1<<20)
	case "mem":
		o.limits.Memory, err = parseSize(option, value)
	case "log":
		if o.log = value; value != "journal" {
			o.log, err = filepath.Abs(value)
		}
	case "exec", "noexec": // the last one wins, as for mount(8)
		o.exec = name == "exec"
	case "allow_other":
		o.allowOther = true
	case "noallow_other":
		o.allowOther = false
	}
	return err
}

func parseID(option, value string) (uint32, error) {
	id, err := strconv.ParseUint(value, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, fmt.Errorf("option %s: must be a number", option)
	}
	return uint32(id), nil
}

func parseLimit(option, value string, highest int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > highest {
		return 0, fmt.Errorf("option %s: must be a number from 1 to %d", option, highest)
	}
	return n, nil
}

// parseSize reads bytes, with K, M or G for powers of 1024.
func parseSize(option, value string) (int64, error) {
	shift := 0
	digits := value
	if n := len(value); n > 0 {
		if i := strings.IndexByte("KMG", value[n-1]&^0x20); i >= 0 {
			shift, digits = 10*(i+1), value[:n-1]
		}
	}
	n, err := strconv.ParseInt(digits, 10, 40)
	if err != nil || n < 1 || n<<shift < 1<<20 || n > 1<<40>>shift {
		return 0, fmt.Errorf("option %s: must be a size from 1M on, such as 64M or 2G", option)
	}
	return n << shift, nil
}
