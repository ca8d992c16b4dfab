package bustest

import (
	"errors"
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// runs is how often something is done to see whether it allocates.
const runs = 200

// allocations measures f, which has grown what it reuses by a first run.
func allocations(what string, f func()) error {
	if n := testing.AllocsPerRun(runs, f); n != 0 {
		return fmt.Errorf("%s allocates %v times", what, n)
	}
	return nil
}

func (s *suite) checkForwardAllocations() error {
	l, err := newLab(s.spec)
	if err != nil {
		return err
	}
	all, err := s.company(l)
	if err == nil {
		s.talk(all, 0) // let it learn
		current := l.Net.Policy()
		var frames []frame.Frame
		var ports []*bus.Port
		for _, t := range all {
			for _, padding := range []int{0, 46, 1486} {
				frames = append(frames, frame.NewFrame(s.frame(t.id, 1, padding)))
				ports = append(ports, t.conn.Port())
			}
		}
		var out policy.Egress
		err = allocations("Forward", func() {
			for i := range frames {
				out.Reset()
				current.Forward(ports[i], &frames[i], &out)
			}
		})
	}
	return errors.Join(err, l.close())
}

func (s *suite) checkSendAllocations() error {
	waiting := func() bus.Endpoint {
		p := &Puller{Discard: true}
		p.Pull(1 << 40)
		return p
	}
	queue := func() bus.Endpoint { return &Sink{} }
	if err := s.sendAllocations("Send to receivers that wait", waiting); err != nil {
		return err
	}
	if raceEnabled { // sync.Pool then forgets at random, on purpose
		return nil
	}
	return s.sendAllocations("Send to queues", queue)
}

// sendAllocations sends single frames and batches to receivers of one kind,
// which soon are full and drop the oldest.
func (s *suite) sendAllocations(what string, receiver func() bus.Endpoint) error {
	l, err := newLab(s.spec)
	if err != nil {
		return err
	}
	err = l.Net.Change(func(set *bus.Settings) { set.Queue, set.Overflow = 32, bus.DropOld })
	var all []*bus.Conn
	for range 5 {
		c, joinErr := l.join(receiver(), both)
		err = errors.Join(err, joinErr)
		all = append(all, c)
	}
	if err == nil {
		single, stream := s.frame(1, 1, 46), []byte(nil)
		for i := range 16 {
			stream = append(stream, Stream(s.frame(1, 2+i, 46))...)
		}
		var b bus.Batch
		send := func() {
			b.SetFrame(single)
			all[0].Send(&b)
			b.SetStream(stream, frame.MaxPrefixed)
			all[0].Send(&b)
			b.Reset()
		}
		for range 10 {
			send()
		}
		err = allocations(what, send)
	}
	return errors.Join(err, l.close())
}
