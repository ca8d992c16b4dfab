package bustest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// value is a table or knob of a network's policy, or a port's knob. It is
// read and written as the tree does it, with the network's lock held.
type value struct {
	name  string // of a port's: NUMBER/NAME
	table bool
	get   func() string
	set   func(string) error // nil: read only
	save  func() []string    // what set takes to make it so again; nil: what get gives
}

// valuesOf lists the values of a network's policy, those of each port
// included.
func valuesOf(n *bus.Network) (list []value) {
	_ = n.UsePolicy(func(p policy.Policy) error {
		if t, ok := p.(policy.Tabler); ok {
			for _, t := range t.Tables() {
				list = append(list, locked(n.UsePolicy, value{t.Name, true, t.Read, t.Write, t.Save}))
			}
		}
		if k, ok := p.(policy.Knobber); ok {
			for _, k := range k.Knobs() {
				list = append(list, locked(n.UsePolicy, value{k.Name, false, k.Get, k.Set, nil}))
			}
		}
		return nil
	})
	for _, number := range n.Ports() {
		port := n.Port(number)
		if port == nil { // it left meanwhile
			continue
		}
		_ = port.UsePolicy(func(p policy.Policy) error {
			k, ok := p.(policy.PortKnobber)
			if !ok {
				return nil
			}
			for _, k := range k.PortKnobs() {
				v := value{name: fmt.Sprint(number, "/", k.Name), get: func() string { return k.Get(port) }}
				if k.Set != nil {
					v.set = func(value string) error { return k.Set(port, value) }
				}
				if k.Save != nil {
					v.save = func() []string { return slices.DeleteFunc([]string{k.Save(port)}, isEmpty) }
				}
				list = append(list, locked(port.UsePolicy, v))
			}
			return nil
		})
	}
	return list
}

// locked lets v be used under the network's lock.
func locked(use func(func(policy.Policy) error) error, v value) value {
	get, set, save := v.get, v.set, v.save
	v.get = func() (text string) {
		_ = use(func(policy.Policy) error {
			text = get()
			return nil
		})
		return text
	}
	if set != nil {
		v.set = func(text string) error { return use(func(policy.Policy) error { return set(text) }) }
	}
	if save != nil {
		v.save = func() (commands []string) {
			_ = use(func(policy.Policy) error {
				commands = save()
				return nil
			})
			return commands
		}
	}
	return v
}

func isEmpty(s string) bool { return s == "" }

// checkValues reads and writes tables and knobs of a policy in use, also
// those of a port that is only reserved.
func (s *suite) checkValues() error {
	l, err := newLab(s.spec)
	if err != nil {
		return err
	}
	all, err := s.company(l)
	var reserved *bus.Port
	if err == nil {
		reserved, err = l.Net.Reserve(100)
	}
	if err == nil {
		s.talk(all, 0)
		err = errors.Join(checkPolicyValues(l.Net), reserved.UsePolicy(func(p policy.Policy) error { return checkSave(p, reserved) }))
	}
	return errors.Join(err, l.close())
}

// checkPolicyValues checks the values of a network on which nothing happens.
func checkPolicyValues(n *bus.Network) error {
	list := valuesOf(n)
	values := func() map[string]string {
		all := map[string]string{}
		for _, v := range list {
			all[v.name] = v.get()
		}
		return all
	}
	before := values()
	if len(before) != len(list) {
		return errors.New("two tables or knobs have one name")
	}
	if again := valuesOf(n); !slices.EqualFunc(list, again, func(a, b value) bool { return a.name == b.name }) {
		return errors.New("tables and knobs are others at each call")
	}
	for _, v := range list {
		if err := checkValue(v, values(), values); err != nil {
			return err
		}
	}
	return nil
}

// checkSave sets what a port that nobody has joined takes, and has it put back.
func checkSave(current policy.Policy, p *bus.Port) error {
	k, ok := current.(policy.PortKnobber)
	if !ok {
		return nil
	}
	read := func() (text string) {
		for _, knob := range k.PortKnobs() {
			text += knob.Name + "=" + knob.Get(p) + "\n"
		}
		return text
	}
	before := read()
	restore := k.SavePort(p)
	for _, knob := range k.PortKnobs() {
		for _, value := range append([]string{"7", "on"}, rubbish...) {
			if knob.Set != nil {
				_ = knob.Set(p, value)
			}
		}
	}
	restore()
	if now := read(); now != before {
		return fmt.Errorf("SavePort put back %q, it was %q", now, before)
	}
	return nil
}

func checkValue(v value, before map[string]string, values func() map[string]string) error {
	name := v.name[strings.LastIndexByte(v.name, '/')+1:]
	if err := bus.CheckName(name); err != nil { // the name of a file
		return fmt.Errorf("table or knob: %w", err)
	}
	text := v.get()
	switch {
	case strings.Contains(text, "\x00"):
		return fmt.Errorf("%s: the text holds a zero byte", v.name)
	case !v.table && strings.Contains(text, "\n"):
		return fmt.Errorf("knob %s: the value is not one line", v.name)
	case v.table && text != "" && !strings.HasSuffix(text, "\n"):
		return fmt.Errorf("table %s: the last line has no end", v.name)
	case v.set == nil:
		return nil
	case v.table:
		return errors.Join(checkSaved(v, before, values), checkRefusals("table "+v.name, v.set, values))
	}
	if err := v.set(text); err != nil {
		return fmt.Errorf("knob %s refuses what it gives, %q: %w", v.name, text, err)
	}
	if now := values(); !maps.Equal(now, before) {
		return fmt.Errorf("knob %s was set to what it was, and that changed %v to %v", v.name, before, now)
	}
	if err := checkSaved(v, before, values); err != nil {
		return err
	}
	if err := checkRefusals("knob "+v.name, v.set, values); err != nil {
		return err
	}
	if err := v.set(text); err != nil {
		return fmt.Errorf("knob %s cannot be set back to %q: %w", v.name, text, err)
	}
	return nil
}

// checkSaved writes what v saves, which is there, so that nothing changes.
func checkSaved(v value, before map[string]string, values func() map[string]string) error {
	if v.save == nil {
		return nil
	}
	for _, command := range v.save() {
		if err := v.set(command); err != nil {
			return fmt.Errorf("%s refuses what it saves, %q: %w", v.name, command, err)
		}
	}
	if now := values(); !maps.Equal(now, before) {
		return fmt.Errorf("%s was set to what it saves, and that changed %v to %v", v.name, before, now)
	}
	return nil
}

// rubbish is what no table and hardly a knob takes.
var rubbish = []string{"", " ", "\n", "\x00", "no such value", "-1", "+", "=", "99999999999999999999", "1 2 3 4 5", "\xff\xfe", strings.Repeat("x", 5000)}

// checkRefusals sets rubbish: what is refused must change nothing.
func checkRefusals(what string, set func(string) error, values func() map[string]string) error {
	for _, value := range rubbish {
		before := values()
		err := set(value)
		if err == nil {
			continue // it may make sense to this one
		}
		if fail.KindOf(err) == 0 {
			return fmt.Errorf("%s refuses %.20q by an error that is no bus.Error: %w", what, value, err)
		}
		if now := values(); !maps.Equal(now, before) {
			return fmt.Errorf("%s refused %.20q (%w), and yet changed %v to %v", what, value, err, before, now)
		}
	}
	return nil
}
