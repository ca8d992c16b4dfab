package vlan

import (
	"maps"
	"sync/atomic"
)

// MaxName bounds the name of a VLAN in bytes, as IEEE 802.1Q 12.10.2 does.
const MaxName = 32

// Table is the VLANs that somebody added, and their names. The zero Table is
// empty. It charges nothing: a VLAN takes about NameSize bytes.
type Table struct {
	names atomic.Pointer[map[uint16]string] // immutable; nil: none
}

// NameSize is what a VLAN takes in bytes, with its part of the map.
const NameSize = 128

// Names returns the names by VLAN, which nobody may change. It takes no lock.
func (t *Table) Names() map[uint16]string {
	if names := t.names.Load(); names != nil {
		return *names
	}
	return nil
}

// Set adds VLANs, or names them anew: what Names returns from now on. The map is
// the table's.
func (t *Table) Set(names map[uint16]string) { t.names.Store(&names) }

// Add adds id, or names it anew.
func (t *Table) Add(id uint16, name string) {
	names := map[uint16]string{}
	maps.Copy(names, t.Names())
	names[id] = name
	t.Set(names)
}

// Remove forgets id.
func (t *Table) Remove(id uint16) {
	names := maps.Clone(t.Names())
	delete(names, id)
	t.Set(names)
}
