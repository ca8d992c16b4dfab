package lane

import "golang.org/x/sys/unix"

// Rewired is a Driver whose descriptors change (Endpoint.Rewire). HungUp is called, and
// the endpoint does not end, when a descriptor has hung up and Read had nothing more:
// the present one, or one that was before.
type Rewired interface {
	Driver
	HungUp()
}

// Rewire gives the endpoint's one source the descriptors of to, as of a connection that
// was made again: what is wanted of the old ones, which must still be open, is wanted of
// these. If these cannot be watched it stays with the old ones. From any thread, also
// within the driver's calls.
func (e *Endpoint) Rewire(to Source) error {
	s := e.sources[0]
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	if s.watch.ended {
		return nil
	}
	old := s.Source
	err := s.rewire(to)
	if err != nil {
		if again := s.rewire(old); again != nil {
			e.fail("cannot be watched: " + again.Error())
		}
	}
	return err
}

// rewire watches other descriptors. Of those that it had epoll may not know all.
// watch.mu is held.
func (s *source) rewire(to Source) error {
	_ = s.lane.control(unix.EPOLL_CTL_DEL, s.FD, s.number, 0)
	if s.OutFD != 0 {
		_ = s.lane.control(unix.EPOLL_CTL_DEL, s.OutFD, s.number, 0)
	}
	s.FD, s.OutFD, s.OutWritable = to.FD, to.OutFD, to.OutWritable
	return s.change(0, s.watch.events)
}

// Quiesce waits for the turn that the source has, if any: what its driver has lent by
// then is not used any more. Not within calls of the driver, of a timer or of Ended.
func (e *Endpoint) Quiesce() { e.sources[0].quiesce() }

func (s *source) quiesce() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// hungUp ends the endpoint, or lets the driver find out what it was that hung up.
func (s *source) hungUp() {
	if d, ok := s.Driver.(Rewired); ok {
		d.HungUp()
	} else {
		s.ep.fail("hung up")
	}
}
