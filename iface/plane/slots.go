package plane

import (
	"sync"

	"ipnfs/bus/fail"
)

// slots are the places for ports, and the numbers of networks.
type slots struct {
	mu sync.Mutex
	// +checklocks:mu
	free []int
	all  int
	// +checklocks:mu
	networks map[uint32]struct{}
	// +checklocks:mu
	network uint32 // the last number given
}

// init makes slots 1 to n-1 free: an index of a device is not 0.
func (s *slots) init(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = n - 1
	for slot := 1; slot <= s.all; slot++ {
		s.free = append(s.free, slot)
	}
	s.networks = map[uint32]struct{}{}
}

// take returns a slot that is free, of these the one that has been so for the longest
// time: there may be late news of the devices of its last port.
func (s *slots) take() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return 0, fail.Errorf(fail.NoSpace, "there are %d interfaces that the kernel forwards for already, which is all it can here: make it a tap", s.all)
	}
	slot := s.free[0]
	s.free = s.free[1:]
	return slot, nil
}

// give gives a slot back.
func (s *slots) give(slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, slot)
}

// NewNetwork returns a number for a network, which its keys have. FreeNetwork gives it back.
func (p *Plane) NewNetwork() (id uint32) {
	s := &p.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.network++
		if _, used := s.networks[s.network]; !used {
			s.networks[s.network] = struct{}{}
			return s.network
		}
	}
}

// FreeNetwork gives a number back. All entries of the network were deleted.
func (p *Plane) FreeNetwork(id uint32) {
	p.slots.mu.Lock()
	defer p.slots.mu.Unlock()
	delete(p.slots.networks, id)
}
