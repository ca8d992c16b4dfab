package vhost

import (
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
