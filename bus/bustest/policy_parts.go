package bustest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"ipnfs/bus"
)

func (s *suite) checkIdentity() error {
	var found *bus.PolicyType
	for _, t := range bus.Policies() {
		if t.Name == s.name() {
			found = &t
		}
	}
	if found == nil {
		return fmt.Errorf("policy %q is not registered", s.name())
	}
	if found.Summary == "" || strings.ContainsAny(found.Summary, "\n\t") {
		return fmt.Errorf("the summary %q must be one line", found.Summary)
	}
	p, err := bus.NewPolicy(s.spec)
	if err != nil {
		return err
	}
	if p.Name() != s.name() {
		return fmt.Errorf("registered as %q, but its name is %q", s.name(), p.Name())
	}
	if err := bus.CheckName(p.Name()); err != nil { // the name of a directory
		return err
	}
	if _, err := bus.NewPolicy(s.spec + " no-such-argument=1"); bus.KindOf(err) == 0 {
		return fmt.Errorf("an unknown argument must be refused with a bus.Error, got %v", err)
	}
	return nil
}

// checkJoins watches what the network tells the policy, and what that then
// sends to.
func (s *suite) checkJoins() error {
	l, err := newLab(hubName)
	if err != nil {
		return err
	}
	all, err := s.company(l)
	if err != nil {
		return errors.Join(err, l.close())
	}
	watch, err := s.watch(l.Net) // ports that are there already
	if err != nil {
		return errors.Join(err, l.close())
	}
	s.talk(all, 0)
	l.Leave(all[0].conn)
	l.Leave(all[3].conn) // its port stays, with the other one
	stay := append(append([]*talker(nil), all[1:3]...), all[4:]...)
	s.talk(stay, perTalk)
	if err = l.Net.RemovePort(3); err == nil {
		s.talk([]*talker{stay[0], stay[2]}, 2*perTalk)
		again := &Recorder{} // at the lowest number, used before
		var c *bus.Conn
		if c, err = l.join(again, both); err == nil {
			s.talk(append(stay[2:], &talker{conn: c, id: 99}), 3*perTalk)
		}
	}
	err = errors.Join(err, l.close())
	return errors.Join(err, watch.verdict())
}

// checkTicks lets time pass in odd ways.
func (s *suite) checkTicks() error {
	l, err := newLab(s.spec)
	if err != nil {
		return err
	}
	all, err := s.company(l)
	if err != nil {
		return errors.Join(err, l.close())
	}
	now := time.Unix(1700000000, 0)
	for i, t := range []time.Time{
		now, now, now.Add(time.Second), now.Add(-time.Hour), now.AddDate(10, 0, 0), {}, now,
	} {
		s.talk(all, i*perTalk)
		l.Bus.Tick(t)
	}
	_, err = checkHeard(all)
	return errors.Join(err, CheckBalance(l.Net.Stats()), l.close())
}

// rubbish is what no table and hardly a knob takes.
var rubbish = []string{"", " ", "\n", "\x00", "no such value", "-1", "+", "=", "99999999999999999999", "1 2 3 4 5", "\xff\xfe", strings.Repeat("x", 5000)}

// checkValues reads and writes tables and knobs of a policy in use.
func (s *suite) checkValues() error {
	l, err := newLab(s.spec)
	if err != nil {
		return err
	}
	all, err := s.company(l)
	if err == nil {
		s.talk(all, 0)
		err = checkPolicyValues(l.Net.Policy())
	}
	return errors.Join(err, l.close())
}

func checkPolicyValues(p bus.Policy) error {
	var tables []bus.Table
	var knobs []bus.Knob
	if t, ok := p.(bus.Tabler); ok {
		tables = t.Tables()
	}
	if k, ok := p.(bus.Knobber); ok {
		knobs = k.Knobs()
	}
	values := func() map[string]string {
		all := map[string]string{}
		for _, t := range tables {
			all[t.Name] = t.Read()
		}
		for _, k := range knobs {
			all[k.Name] = k.Get()
		}
		return all
	}
	before := values()
	if len(before) != len(tables)+len(knobs) {
		return errors.New("two tables or knobs have one name")
	}
	for name := range before {
		if err := bus.CheckName(name); err != nil { // the name of a file
			return fmt.Errorf("table or knob: %w", err)
		}
	}
	for _, t := range tables {
		if text := t.Read(); text != "" && !strings.HasSuffix(text, "\n") {
			return fmt.Errorf("table %s: the last line has no end", t.Name)
		}
		if t.Write != nil {
			if err := checkRefusals("table "+t.Name, t.Write, values); err != nil {
				return err
			}
		}
	}
	for _, k := range knobs {
		if strings.ContainsAny(k.Get(), "\n\x00") {
			return fmt.Errorf("knob %s: the value is not one line", k.Name)
		}
		if k.Set == nil {
			continue
		}
		value := k.Get()
		if err := k.Set(value); err != nil {
			return fmt.Errorf("knob %s refuses what it gives, %q: %w", k.Name, value, err)
		}
		if now := values(); !maps.Equal(now, before) {
			return fmt.Errorf("knob %s was set to what it was, and that changed %v to %v", k.Name, before, now)
		}
		if err := checkRefusals("knob "+k.Name, k.Set, values); err != nil {
			return err
		}
		if err := k.Set(value); err != nil {
			return fmt.Errorf("knob %s cannot be set back to %q: %w", k.Name, value, err)
		}
	}
	return nil
}

// checkRefusals sets rubbish: what is refused must change nothing.
func checkRefusals(what string, set func(string) error, values func() map[string]string) error {
	for _, value := range rubbish {
		before := values()
		err := set(value)
		if err == nil {
			continue // it may make sense to this one
		}
		if bus.KindOf(err) == 0 {
			return fmt.Errorf("%s refuses %.20q by an error that is no bus.Error: %w", what, value, err)
		}
		if now := values(); !maps.Equal(now, before) {
			return fmt.Errorf("%s refused %.20q (%w), and yet changed %v to %v", what, value, err, before, now)
		}
	}
	return nil
}
