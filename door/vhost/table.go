package vhost

import (
	"slices"
	"unsafe"

	"ipnfs/bus/fail"
)

// table is what of the guest's memory may be used. It does not change.
type table struct{ regions []*region }

// with is t and one region more.
func (t *table) with(r *region) (*table, error) {
	sum := r.size
	for _, other := range t.regions {
		sum += other.size
		if overlap(r.guest, other.guest, r.size, other.size) || overlap(r.user, other.user, r.size, other.size) {
			return nil, fail.Errorf(fail.Invalid, "regions of memory overlap: %#x and %#x", r.guest, other.guest)
		}
	}
	if len(t.regions) == maxSlots || sum > maxMapped {
		return nil, fail.Errorf(fail.NoSpace, "%d regions of memory, and 1 TiB, are the most", maxSlots)
	}
	return &table{append(append([]*region{}, t.regions...), r)}, nil
}

// overlap tells of two ranges. None of them goes beyond 64 bits.
func overlap(a, b, aSize, bSize uint64) bool { return a < b+bSize && b < a+aSize }

// find returns the region with a guest's address, or nil.
func (t *table) find(guest uint64) *region {
	for _, r := range t.regions {
		if guest-r.guest < r.size && guest >= r.guest {
			return r
		}
	}
	return nil
}

// ofUser returns where size bytes lie of which the front end told the address, or nil.
func (t *table) ofUser(user, size uint64) unsafe.Pointer {
	for _, r := range t.regions {
		if at := user - r.user; user >= r.user && at < r.size && size <= r.size-at {
			return unsafe.Add(r.base, at)
		}
	}
	return nil
}

// has tells whether an address of ours is in the memory of the guest.
func (t *table) has(addr uintptr) bool {
	for _, r := range t.regions {
		if first := uintptr(unsafe.Pointer(unsafe.SliceData(r.mapping))); addr >= first && addr-first < uintptr(len(r.mapping)) {
			return true
		}
	}
	return false
}

// What follows serves requests.

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
