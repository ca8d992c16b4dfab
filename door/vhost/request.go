package vhost

import (
	"math/bits"
	"slices"

	"ipnfs/bus/fail"
)

// request is what a front end may ask for.
type request struct {
	name  string
	body  int // bytes; anyBody: serve looks itself
	fds   int // the most descriptors
	serve func(d *device, m *message) (answer []byte, err error)
}

const (
	anyBody = -1
	noBody  = 0
	numBody = 8 // one number of 64 bits, or an index and a number
)

// requests are those that are served, by number (vhost-user, "Front-end message types").
var requests = [...]request{
	1:  {"GET_FEATURES", noBody, 0, func(*device, *message) ([]byte, error) { return u64(offeredFeatures), nil }},
	2:  {"SET_FEATURES", numBody, 0, (*device).setFeatures},
	3:  {"SET_OWNER", noBody, 0, nothing},
	4:  {"RESET_OWNER", noBody, 0, (*device).disable},
	5:  {"SET_MEM_TABLE", anyBody, maxRegions, (*device).setTable},
	8:  {"SET_VRING_NUM", numBody, 0, (*device).setSize},
	9:  {"SET_VRING_ADDR", 40, 0, (*device).setAddresses},
	10: {"SET_VRING_BASE", numBody, 0, (*device).setBase},
	11: {"GET_VRING_BASE", numBody, 0, (*device).getBase},
	12: {"SET_VRING_KICK", numBody, 1, (*device).setKick},
	13: {"SET_VRING_CALL", numBody, 1, (*device).setCall},
	14: {"SET_VRING_ERR", numBody, 1, (*device).setErr},
	15: {"GET_PROTOCOL_FEATURES", noBody, 0, func(*device, *message) ([]byte, error) { return u64(offeredProtocol), nil }},
	16: {"SET_PROTOCOL_FEATURES", numBody, 0, (*device).setProtocol},
	17: {"GET_QUEUE_NUM", noBody, 0, func(*device, *message) ([]byte, error) { return u64(queues / 2), nil }},
	18: {"SET_VRING_ENABLE", numBody, 0, (*device).enable},
	19: {"SEND_RARP", numBody, 0, nothing}, // it was not offered
	20: {"NET_SET_MTU", numBody, 0, (*device).setMTU},
	34: {"RESET_DEVICE", noBody, 0, (*device).reset},
	36: {"GET_MAX_MEM_SLOTS", noBody, 0, func(*device, *message) ([]byte, error) { return u64(maxSlots), nil }},
	37: {"ADD_MEM_REG", 8 + regionLen, 1, (*device).addRegion},
	38: {"REM_MEM_REG", 8 + regionLen, 1, (*device).removeRegion}, // some send a descriptor
}

// Answers where a request can be refused without the end of the connection.
var (
	accepted = u64(0)
	refused  = u64(1)
)

// serve serves a request. answer is what is to be answered, nil: nothing. An error
// ends the connection.
func (d *device) serve(m *message) (answer []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fail.Errorf(fail.Gone, "the port has gone")
	}
	if int64(m.request) >= int64(len(requests)) || requests[m.request].serve == nil {
		if m.needAck {
			return refused, nil
		}
		return nil, nil
	}
	r := &requests[m.request]
	switch {
	case r.body != anyBody && len(m.body) != r.body:
		err = fail.Errorf(fail.Invalid, "it has %d bytes, and should have %d", len(m.body), r.body)
	case len(m.fds) > r.fds:
		err = fail.Errorf(fail.Invalid, "it comes with %d descriptors: %d are the most", len(m.fds), r.fds)
	default:
		answer, err = r.serve(d, m)
	}
	switch {
	case err != nil:
		err = fail.Errorf(fail.KindOf(err), "%s: %v", r.name, err)
		if m.needAck {
			answer = refused
		}
	case answer == nil && m.needAck:
		answer = accepted
	}
	return answer, err
}

func nothing(*device, *message) ([]byte, error) { return nil, nil }

func (d *device) setFeatures(m *message) ([]byte, error) {
	features := m.u64(0)
	if features&^offeredFeatures != 0 {
		return nil, fail.Errorf(fail.Invalid, "features %#x were not offered", features&^offeredFeatures)
	}
	return nil, d.change(func(r *ring) error {
		r.features = features
		r.enabled = r.enabled || features&featProtocol == 0
		return nil
	})
}

func (d *device) setProtocol(m *message) ([]byte, error) {
	features := m.u64(0)
	if features&^offeredProtocol != 0 {
		return nil, fail.Errorf(fail.Invalid, "protocol features %#x were not offered", features&^offeredProtocol)
	}
	return nil, nil
}

func (d *device) disable(*message) ([]byte, error) {
	return nil, d.change(func(r *ring) error {
		r.enabled = false
		return nil
	})
}

func (d *device) reset(*message) ([]byte, error) {
	return nil, d.change(func(r *ring) error {
		r.stop()
		r.features, r.enabled = 0, false
		return nil
	})
}

// setMTU is told of an mtu without the ethernet header and a tag.
func (d *device) setMTU(m *message) ([]byte, error) {
	const overhead = minFrame + 4
	if mtu := m.u64(0); mtu > uint64(d.mtu())-overhead {
		return refused, nil
	}
	return accepted, nil
}

func (d *device) setTable(m *message) ([]byte, error) {
	n := 0
	if len(m.body) >= 8 {
		n = int(m.u32(0))
	}
	if n == 0 || n > maxRegions || len(m.body) < 8+n*regionLen {
		return nil, fail.Errorf(fail.Invalid, "%d bytes tell of %d regions", len(m.body), n)
	}
	if len(m.fds) != n {
		return nil, fail.Errorf(fail.Invalid, "%d descriptors come with %d regions", len(m.fds), n)
	}
	t := &table{}
	for i := range n {
		next, err := t.add(m, 8+i*regionLen, i)
		if err != nil {
			t.unmap(nil)
			return nil, err
		}
		t = next
	}
	return nil, d.use(t)
}

// add is t and one region more, of which a message tells.
func (t *table) add(m *message, at, fd int) (*table, error) {
	r, err := newRegion(m.fds[fd], m.u64(at), m.u64(at+16), m.u64(at+8), m.u64(at+24))
	if err != nil {
		return nil, err
	}
	next, err := t.with(r)
	if err != nil {
		r.unmap()
	}
	return next, err
}

func (d *device) addRegion(m *message) ([]byte, error) {
	if len(m.fds) != 1 {
		return nil, fail.Errorf(fail.Invalid, "a region needs one descriptor")
	}
	t, err := d.table.add(m, 8, 0)
	if err != nil {
		return nil, err
	}
	return nil, d.use(t)
}

func (d *device) removeRegion(m *message) ([]byte, error) {
	guest, size, user := m.u64(8), m.u64(16), m.u64(24)
	i := slices.IndexFunc(d.table.regions, func(r *region) bool { return r.guest == guest && r.size == size && r.user == user })
	if i < 0 {
		return nil, fail.Errorf(fail.Unknown, "there is no region of %d bytes at %#x and %#x", size, guest, user)
	}
	return nil, d.use(&table{slices.Delete(slices.Clone(d.table.regions), i, i+1)})
}

// use makes t the memory of both rings, and unmaps what was so and is no more.
func (d *device) use(t *table) error {
	old := d.table
	d.table = t
	err := d.change(func(r *ring) error { // also if it then does not run
		r.table = t
		return nil
	})
	old.unmap(t)
	return err
}

// unmap unmaps the regions that are not in another table, too.
func (t *table) unmap(other *table) {
	for _, r := range t.regions {
		if other == nil || !slices.Contains(other.regions, r) {
			r.unmap()
		}
	}
}

// stateOf returns what a message tells of a ring: a number.
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
