package bustest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

func (s *suite) checkIdentity() error {
	var found *policy.Type
	for _, t := range policy.Types() {
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
	p, err := policy.New(s.spec)
	if err != nil {
		return err
	}
	if p.Name() != s.name() {
		return fmt.Errorf("registered as %q, but its name is %q", s.name(), p.Name())
	}
	if err := bus.CheckName(p.Name()); err != nil { // the name of a directory
		return err
	}
	if _, err := policy.New(s.spec + " no-such-argument=1"); fail.KindOf(err) == 0 {
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
	watch := s.watch(true)
	if err := l.Net.SetPolicy(watch.name); err != nil { // ports are there already
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
