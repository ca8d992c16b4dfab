package vhost

import (
	"math/bits"

	"ipnfs/bus/fail"
)

// What follows serves requests of one ring.

// stateOf returns the ring that a message tells of, and a number.
func (d *device) stateOf(m *message) (r *ring, n uint32, err error) {
	r, err = d.ring(m.u32(0))
	return r, m.u32(4), err
}

func (d *device) setSize(m *message) ([]byte, error) {
	r, n, err := d.stateOf(m)
	switch {
	case err != nil:
		return nil, err
	case n > maxRing || bits.OnesCount32(n) != 1:
		return nil, fail.Errorf(fail.Invalid, "a ring of %d: a power of two, up to %d, is wanted", n, maxRing)
	}
	return nil, r.change(func(r *ring) error {
		if r.running {
			return fail.Errorf(fail.Busy, "the ring runs")
		}
		r.size = uint16(n)
		return nil
	})
}

func (d *device) setAddresses(m *message) ([]byte, error) {
	r, err := d.ring(m.u32(0))
	if err != nil {
		return nil, err
	}
	at := addresses{desc: m.u64(8), used: m.u64(16), avail: m.u64(24)}
	return nil, r.change(func(r *ring) error {
		r.at = at
		return nil
	})
}

// setBase is told where we were. When the ring starts, used tells more.
func (d *device) setBase(m *message) ([]byte, error) {
	r, n, err := d.stateOf(m)
	switch {
	case err != nil:
		return nil, err
	case n > 1<<16-1:
		return nil, fail.Errorf(fail.Invalid, "index %d of a ring has more than 16 bits", n)
	}
	return nil, r.change(func(r *ring) error {
		if r.running {
			return fail.Errorf(fail.Busy, "the ring runs")
		}
		r.next = uint16(n)
		return nil
	})
}

func (d *device) getBase(m *message) (answer []byte, err error) {
	r, err := d.ring(m.u32(0))
	if err != nil {
		return nil, err
	}
	var next uint16
	err = r.change(func(r *ring) error {
		next = r.stop()
		return r.kick.set(-1)
	})
	r.wake() // what waits is lost
	return u64(uint64(m.u32(0)) | uint64(next)<<32), err
}

// eventOf returns the ring that a message tells of, and its eventfd, which is the
// caller's then; -1: none.
func (d *device) eventOf(m *message) (r *ring, fd int, err error) {
	const noFD = 1 << 8
	what := m.u64(0)
	if r, err = d.ring(uint32(what & 0xff)); err != nil {
		return nil, -1, err
	}
	if what&noFD != 0 || len(m.fds) == 0 {
		return r, -1, nil
	}
	if err := checkEvent(m.fds[0]); err != nil {
		return nil, -1, err
	}
	return r, m.take(0), nil
}

func (d *device) setKick(m *message) ([]byte, error) {
	r, fd, err := d.eventOf(m)
	switch {
	case err != nil:
		return nil, err
	case fd < 0:
		return nil, fail.Errorf(fail.Unsupported, "a ring without an eventfd would have to be polled")
	}
	err = r.change(func(r *ring) error {
		if err := r.kick.set(fd); err != nil {
			return err
		}
		r.started, r.broken = true, nil
		return nil
	})
	r.wake()
	return nil, err
}

func (d *device) setCall(m *message) ([]byte, error) {
	r, fd, err := d.eventOf(m)
	if err != nil {
		return nil, err
	}
	return nil, r.change(func(r *ring) error {
		r.call.set(fd)
		return nil
	})
}

func (d *device) setErr(m *message) ([]byte, error) {
	r, fd, err := d.eventOf(m)
	if err != nil {
		return nil, err
	}
	return nil, r.change(func(r *ring) error {
		r.err.set(fd)
		return nil
	})
}

func (d *device) enable(m *message) ([]byte, error) {
	r, n, err := d.stateOf(m)
	if err != nil {
		return nil, err
	}
	err = r.change(func(r *ring) error {
		r.enabled = n != 0
		return nil
	})
	r.wake()
	return nil, err
}
