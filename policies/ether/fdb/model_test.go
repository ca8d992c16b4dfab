package fdb

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// model is a forwarding database with a map: slow and plain.
type model struct {
	entries                     map[Key]modelEntry
	limit                       int
	ageing, damping, now, clock uint32 // clock: of the last Tick
}

type modelEntry struct {
	port   int
	seen   uint32
	static bool
}

func (m *model) valid(k Key) (modelEntry, bool) {
	e, ok := m.entries[k]
	old := m.ageing != 0 && uint64(e.seen)+uint64(m.ageing) < uint64(m.clock)
	return e, ok && (e.static || !old)
}

func (m *model) learn(k Key, port int) (Result, int) {
	e, ok := m.valid(k)
	_, there := m.entries[k]
	switch {
	case !ok && !there && len(m.entries) >= m.limit:
		return Refused, 0
	case !ok:
		m.entries[k] = modelEntry{port, m.now, false}
		return Learned, 0
	case e.port == port:
		e.seen = max(e.seen, m.now)
		m.entries[k] = e
		return Known, 0
	case e.static:
		return Static, e.port
	case m.damping != 0 && m.now-e.seen <= m.damping:
		return Damped, e.port
	}
	m.entries[k] = modelEntry{port, m.now, false}
	return Moved, e.port
}

func (m *model) addStatic(k Key, port int) bool {
	if _, there := m.entries[k]; !there && len(m.entries) >= m.limit {
		return false
	}
	m.entries[k] = modelEntry{port, 0, true}
	return true
}

// evicted takes over which entry the full table gave up for k of port, if it
// did, and tells what was wrong with that.
func (m *model) evicted(tab *Table, k Key, port int, did bool) error {
	count, learned, most := map[int]int{}, map[int]int{}, 0
	for _, e := range m.entries {
		count[e.port]++
		most = max(most, count[e.port])
		if !e.static {
			learned[e.port]++
		}
	}
	if !did {
		if count[port] < most-most/8 && learned[port] == len(m.entries) {
			return fmt.Errorf("port %d has %d of %d entries and was refused", port, count[port], most)
		}
		return nil
	}
	var gone []Key
	for other := range m.entries {
		if s := tab.find(other); s == nil || s.place.Load() == 0 {
			gone = append(gone, other)
		}
	}
	if len(gone) != 1 {
		return fmt.Errorf("%d entries went for one", len(gone))
	}
	e := m.entries[gone[0]]
	if e.static || e.port == port || count[e.port] <= count[port] || count[e.port] < most-most/8-1 {
		return fmt.Errorf("an entry of port %d (static %v), which has %d, went for one of port %d, which has %d; the most is %d", e.port, e.static, count[e.port], port, count[port], most)
	}
	delete(m.entries, gone[0])
	return nil
}

func (m *model) flush(which func(Key, modelEntry) bool) (gone int) {
	for k, e := range m.entries {
		if which(k, e) {
			delete(m.entries, k)
			gone++
		}
	}
	return gone
}

func (m *model) tick() {
	m.clock = m.now
	m.flush(func(k Key, _ modelEntry) bool { _, ok := m.valid(k); return !ok })
}

// TestModel does the same random things to a table and to the model.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		limit, ports := 1+r.IntN(1200), 1+r.IntN(4) // with lists of keys, and without
		tab, m := New(limit, nil), &model{entries: map[Key]modelEntry{}, limit: limit, ageing: DefaultAgeing}
		anyKey := func() Key { return randomKey(r.IntN(1500)) }
		anyPort := func() int { return 1 + r.IntN(ports) }
		for step := range 20_000 {
			k, port, vlan := anyKey(), anyPort(), uint16(r.IntN(8))
			switch p := r.IntN(1000); {
			case p < 600:
				got, from := tab.Learn(k, port, m.now)
				want, wantFrom := m.learn(k, port)
				if want == Refused {
					if err := m.evicted(tab, k, port, got == Learned); err != nil {
						t.Fatalf("seed %d step %d: %v", seed, step, err)
					}
					if got == Learned {
						want = Learned
						m.entries[k] = modelEntry{port, m.now, false}
					}
				}
				if got != want || from != wantFrom {
					t.Fatalf("seed %d step %d: learned %d from %d, model %d from %d", seed, step, got, from, want, wantFrom)
				}
			case p < 900:
				got, ok := tab.Lookup(k)
				want, wantOK := m.valid(k)
				if ok != wantOK || ok && got != want.port {
					t.Fatalf("seed %d step %d: found %d %v, model %d %v", seed, step, got, ok, want.port, wantOK)
				}
			case p < 920:
				_, err := tab.AddStatic(k, port)
				if !m.addStatic(k, port) {
					if err := m.evicted(tab, k, port, err == nil); err != nil {
						t.Fatalf("seed %d step %d: static: %v", seed, step, err)
					}
					if err == nil {
						m.entries[k] = modelEntry{port, 0, true}
					}
				} else if err != nil {
					t.Fatalf("seed %d step %d: static: %v", seed, step, err)
				}
			case p < 940:
				_, there := m.entries[k]
				delete(m.entries, k)
				if tab.Remove(k) != there {
					t.Fatalf("seed %d step %d: remove is not %v", seed, step, there)
				}
			case p < 990:
				m.now += uint32(r.IntN(20))
				tab.Tick(m.now)
				m.tick()
			case p < 994:
				m.ageing, m.damping = uint32(r.IntN(100)), uint32(r.IntN(20))
				tab.SetAgeing(m.ageing)
				tab.SetDamping(m.damping)
			default:
				got, want := flushBoth(tab, m, r.IntN(5), port, vlan)
				if got != want {
					t.Fatalf("seed %d step %d: flushed %d, model %d", seed, step, got, want)
				}
			}
			if tab.Len() != len(m.entries) {
				t.Fatalf("seed %d step %d: %d entries, model %d", seed, step, tab.Len(), len(m.entries))
			}
		}
		check(t, tab)
	}
}

func flushBoth(tab *Table, m *model, kind, port int, vlan uint16) (got, want int) {
	switch kind {
	case 0:
		return tab.Flush(), m.flush(func(_ Key, e modelEntry) bool { return !e.static })
	case 1:
		return tab.FlushPort(port, false), m.flush(func(_ Key, e modelEntry) bool { return e.port == port && !e.static })
	case 2:
		return tab.FlushPort(port, true), m.flush(func(_ Key, e modelEntry) bool { return e.port == port })
	case 3:
		return tab.FlushVLAN(vlan), m.flush(func(k Key, e modelEntry) bool { return k.VLAN() == vlan && !e.static })
	}
	return tab.FlushPortVLAN(port, vlan), m.flush(func(k Key, e modelEntry) bool {
		return e.port == port && k.VLAN() == vlan && !e.static
	})
}
