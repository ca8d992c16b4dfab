package fdb

import (
	"errors"
	"fmt"
)

// ErrFull refuses a static entry above the limit.
var ErrFull = errors.New("the forwarding database is full")

// AddStatic puts k at port for good: it neither ages nor moves. An entry that
// k has is replaced: before is its port, also if it has aged out; 0: there was none.
func (t *Table) AddStatic(k Key, port int) (before int, err error) {
	if port < 1 || port > MaxPort {
		return 0, fmt.Errorf("port %d: must be 1 to %d", port, MaxPort)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := makePlace(k, port, 0) | static
	s := t.find(k)
	var there place
	if s != nil {
		there = place(s.place.Load())
	}
	switch {
	case there != 0:
		t.move(s, k, there, p)
		return there.port(), nil
	case t.live.Load() >= t.room.Load() && !t.evict(port), !t.put(k, p):
		return 0, fmt.Errorf("%w: it has %d entries", ErrFull, t.live.Load())
	}
	return 0, nil
}

// Remove forgets k, static or not, and tells whether it was there.
func (t *Table) Remove(k Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.find(k)
	if s == nil || s.place.Load() == 0 {
		return false
	}
	t.forget(s)
	return true
}

// Flush forgets all but the static entries. It returns how many went, as all
// kinds of Flush do.
func (t *Table) Flush() int {
	return t.flush(func(_ Key, p place) bool { return !p.isStatic() })
}

// FlushPort forgets the entries of a port, the static ones only if told so:
// when the port has ended.
func (t *Table) FlushPort(port int, alsoStatic bool) int {
	return t.flushPort(port, func(_ Key, p place) bool { return alsoStatic || !p.isStatic() })
}

// FlushVLAN forgets the entries of a VLAN but the static ones.
func (t *Table) FlushVLAN(vlan uint16) int {
	return t.flush(func(k Key, p place) bool { return k.VLAN() == vlan && !p.isStatic() })
}

// FlushPortVLAN forgets the entries of a port in a VLAN but the static ones.
func (t *Table) FlushPortVLAN(port int, vlan uint16) int {
	return t.flushPort(port, func(k Key, p place) bool { return k.VLAN() == vlan && !p.isStatic() })
}

// flushPort forgets entries of a port: it looks where that has or had some, a
// piece at a time.
func (t *Table) flushPort(port int, which func(Key, place) bool) (gone int) {
	for region := 0; region < regions; {
		t.mu.Lock()
		var n int
		n, region = t.flushPiece(port, region, which)
		gone += n
		t.mu.Unlock()
	}
	return gone
}

// flushPiece is flushPort for some regions from one on. It returns the next one.
//
// +checklocks:t.mu
func (t *Table) flushPiece(port, region int, which func(Key, place) bool) (gone, next int) {
	o := t.owners[port]
	if o == nil {
		return 0, regions
	}
	left := false // in what was looked at last
	look := func(s *slot, k Key, p place) bool {
		switch {
		case !p.at(port):
		case which(k, p):
			t.forget(s)
			gone++
		default:
			left = true
		}
		return true // +checklocksignore: look is called with t.mu held
	}
	if o.where == nil {
		for _, k := range o.keys {
			if s := t.find(k); s != nil {
				look(s, k, place(s.place.Load()))
			}
		}
		region = regions
	}
	for range t.piece() {
		if region = o.next(region); region == regions {
			break
		}
		left = false
		t.inRegions(region, region+1, look)
		if !left {
			o.clear(region)
		}
		region++
	}
	if region == regions && o.live == 0 {
		t.dropKeys(o)
		delete(t.owners, port)
	}
	return gone, region
}

func (t *Table) flush(which func(Key, place) bool) (gone int) {
	t.pieces(func(s *slot, p place) {
		if which(Key(s.key.Load()), p) {
			t.forget(s) // +checklocksignore: pieces has t.mu
			gone++
		}
	})
	return gone
}
