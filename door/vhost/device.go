package vhost

import (
	"cmp"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/lane"
)

// Queues of a network device, by the index in messages (virtio 1.2, 5.1.2).
const (
	rxQueue = 0 // the guest receives
	txQueue = 1 // it transmits
	queues  = 2
)

// device is the driver of one front end: a network device with two rings.
type device struct {
	conn *os.File // its connection
	mute bool     // what it sends is dropped: it has no right to
	mtu  func() int
	left func()

	ready   int // see kick
	signals signals
	rx, tx  ring

	cut  []byte // of a super-frame, under rx.mu
	lens []int

	mu     sync.Mutex // held while a request is served; taken before those of rings
	closed bool
	table  *table
}

var _ lane.Driver = (*device)(nil)

// newDevice makes a device that nobody has told anything yet. conn stays the
// caller's until close.
func newDevice(conn *os.File) (d *device, err error) {
	d = &device{conn: conn, table: &table{}, ready: -1}
	if err := d.signals.open(); err != nil {
		return nil, fail.Errorf(fail.NoSpace, "no notifications: %v", err)
	}
	if d.ready, err = unix.Eventfd(1, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		if err = d.rx.open(d.ready, &d.signals); err == nil {
			if err = d.tx.open(d.ready, &d.signals); err == nil {
				return d, nil
			}
			d.rx.close()
		}
		unix.Close(d.ready)
	}
	d.signals.close()
	return nil, fail.Errorf(fail.NoSpace, "no notifications: %v", err)
}

// source is what a lane serves.
func (d *device) source() lane.Source {
	return lane.Source{FD: d.tx.kick.epoll, OutFD: d.rx.kick.epoll, Driver: d}
}

// Close is lane.Driver's.
func (d *device) Close() {
	d.close()
	d.left()
}

// close gives back all that the device has. Requests are refused from then on.
func (d *device) close() {
	d.conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	_ = d.change(func(r *ring) error {
		r.stop()
		return nil
	})
	d.table.unmap(nil)
	d.rx.close()
	d.tx.close()
	unix.Close(d.ready)
	d.signals.close()
}

// ring returns a ring by its index.
func (d *device) ring(index uint32) (*ring, error) {
	switch index {
	case rxQueue:
		return &d.rx, nil
	case txQueue:
		return &d.tx, nil
	}
	return nil, fail.Errorf(fail.Invalid, "there is no ring %d: 0 and 1 are, one pair", index)
}

// change has f change both rings, whether or not the first can run then.
func (d *device) change(f func(r *ring) error) error {
	return cmp.Or(d.rx.change(f), d.tx.change(f))
}

// change has f change what the front end said of a ring, and has it run or not.
func (r *ring) change(f func(r *ring) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := f(r); err != nil {
		return err
	}
	return r.update()
}
