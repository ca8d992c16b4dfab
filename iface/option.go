package iface

import (
	"strings"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// option is a word that may follow the name.
type option struct {
	value bool // it is KEY=VALUE
	many  bool // it may be repeated
	set   func(value string) error
}

func flag(to *bool) option {
	return option{set: func(string) error { *to = true; return nil }}
}

func one[T any](to *T, parse func(string) (T, error)) option {
	return option{value: true, set: func(value string) (err error) {
		*to, err = parse(value)
		return err
	}}
}

// portUsage are the options of all that is attached; parse knows them.
const portUsage = "port=, name="

// parse reads NAME [KEY[=VALUE]]... . What is no option is taken for a setting
// that the policy has for the port, which the network finds out: see
// bus.JoinOptions.
func parse(command, usage string, options map[string]option) (name string, port bus.JoinOptions, err error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return "", port, fail.Errorf(fail.Invalid, "the name of an interface is missing")
	}
	name = words[0]
	if err := checkName(name); err != nil {
		return "", port, err
	}
	port = bus.JoinOptions{Make: true, Alone: true, Words: usage}
	options["port"] = one(&port.Number, number("port", 1, policy.MaxPorts))
	options["name"] = one(&port.Name, text)
	seen := map[string]bool{}
	for _, word := range words[1:] {
		key, value, hasValue := strings.Cut(word, "=")
		o, known := options[key]
		if !known {
			setting := key
			o = option{value: hasValue, set: func(value string) error {
				port.Setup = append(port.Setup, bus.PortSetting{Name: setting, Value: value})
				return nil
			}}
			if i := strings.LastIndexByte(word, '='); i >= 0 {
				key = word[:i] // storm=broadcast=1 and storm=multicast=1 are two
			}
		}
		switch {
		case o.value && value == "":
			return "", port, fail.Errorf(fail.Invalid, "%s: %s needs a value: %s=...", name, key, key)
		case !o.value && hasValue:
			return "", port, fail.Errorf(fail.Invalid, "%s: %s takes no value", name, key)
		case seen[key] && !o.many:
			return "", port, fail.Errorf(fail.Invalid, "%s: %s is given twice", name, key)
		}
		seen[key] = true
		if err := o.set(value); err != nil {
			return "", port, err
		}
	}
	return name, port, nil
}
