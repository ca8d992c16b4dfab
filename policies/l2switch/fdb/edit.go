package fdb

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// ErrFull refuses a static entry above the limit.
var ErrFull = errors.New("the forwarding database is full")

// AddStatic puts k at port for good: it neither ages nor moves. An entry that
// k has is replaced.
func (t *Table) AddStatic(k Key, port int) error {
	if port < 1 || port > MaxPort {
		return fmt.Errorf("port %d: must be 1 to %d", port, MaxPort)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := makePlace(port, 0) | static
	s := t.array.Load().find(k)
	switch {
	case s != nil && s.place.Load() != 0:
		t.move(s, k, place(s.place.Load()), p)
	case t.live.Load() >= t.limit.Load() && !t.evict(port):
		return fmt.Errorf("%w: it has %d entries", ErrFull, t.live.Load())
	default:
		t.put(s, k, p)
	}
	return nil
}

// Remove forgets k, static or not, and tells whether it was there.
func (t *Table) Remove(k Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.array.Load().find(k)
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

// flushPort forgets entries of a port: it costs as much as that has.
func (t *Table) flushPort(port int, which func(Key, place) bool) (gone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.owners[port]
	if o == nil {
		return 0
	}
	a := t.array.Load()
	for _, k := range o.keys {
		if s := a.find(k); s != nil {
			if p := place(s.place.Load()); p.at(port) && which(k, p) {
				t.forget(s)
				gone++
			}
		}
	}
	if o.live == 0 {
		delete(t.owners, port)
	} else {
		t.tidy(o, port)
	}
	return gone
}

func (t *Table) flush(which func(Key, place) bool) (gone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.array.Load().lines
	for i := range lines {
		for j := range lines[i] {
			s := &lines[i][j]
			if p := place(s.place.Load()); p != 0 && which(Key(s.key.Load()), p) {
				t.forget(s)
				gone++
			}
		}
	}
	return gone
}

// Entries lists the entries that have not aged out, by VLAN and then by MAC
// address.
func (t *Table) Entries() []Entry {
	t.mu.Lock()
	now, horizon := t.now, t.horizon.Load()
	lines := t.array.Load().lines
	list := make([]Entry, 0, t.live.Load())
	for i := range lines {
		for j := range lines[i] {
			k, p := Key(lines[i][j].key.Load()), place(lines[i][j].place.Load())
			if !p.valid(horizon) {
				continue
			}
			e := Entry{VLAN: k.VLAN(), MAC: k.MAC(), Port: p.port(), Static: p.isStatic()}
			if !e.Static && now > p.stamp() {
				e.Age = now - p.stamp()
			}
			list = append(list, e)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(list, func(a, b Entry) int {
		if a.VLAN != b.VLAN {
			return int(a.VLAN) - int(b.VLAN)
		}
		return bytes.Compare(a.MAC[:], b.MAC[:])
	})
	return list
}
