package fdb

import (
	"sync"
	"testing"
)

// heard is an Elsewhere that counts what it is asked.
type heard struct {
	closed bool
	at     map[Key][2]int // port, second
	asked  int
}

func (h *heard) Any() bool { return !h.closed }

func (h *heard) Used(k Key, port int) (uint32, bool) {
	h.asked++
	at, ok := h.at[k]
	return uint32(at[1]), ok && at[0] == port
}

// hearing makes a table, with entries at port 1 that were learned in second 100.
func hearing(limit, entries int) (*Table, *heard) {
	tab, h := New(limit, nil), &heard{at: map[Key][2]int{}}
	tab.Ask(h)
	tab.SetAgeing(10)
	for i := range entries {
		tab.Learn(key(1, byte(i)), 1, 100)
	}
	return tab, h
}

// Who is heard elsewhere does not age out, whichever moves the horizon; nobody is asked
// of before.
func TestUsedKeepsFromAgeing(t *testing.T) {
	for name, move := range map[string]func(*Table){
		"time":    func(tab *Table) { tab.Tick(112) },
		"setting": func(tab *Table) { tab.Tick(110); tab.SetAgeing(8); tab.Tick(110) },
	} {
		tab, h := hearing(10, 4)
		h.at[key(1, 0)] = [2]int{1, 105}
		h.at[key(1, 1)] = [2]int{1, 90}  // that is older
		h.at[key(1, 2)] = [2]int{2, 105} // it is not there
		h.at[key(1, 9)] = [2]int{1, 105} // nor is this one anywhere
		if tab.Tick(110); h.asked != 0 {
			t.Errorf("%s: asked %d times when nothing was too old", name, h.asked)
		}
		move(tab)
		if list := tab.Entries(); len(list) != 1 || list[0].MAC != key(1, 0).MAC() || list[0].Port != 1 {
			t.Errorf("%s: left are %v", name, list)
		}
		if h.asked != 4 {
			t.Errorf("%s: asked %d times", name, h.asked)
		}
		check(t, tab)
	}
}

// No Lookup sees one as aged that was heard elsewhere, at any moment of a Tick.
func TestUsedNeverAged(t *testing.T) {
	tab, h := hearing(1<<12, 0)
	for i := range 1000 {
		tab.Learn(randomKey(i), 1, 100)
		h.at[randomKey(i)] = [2]int{1, 1000}
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, ok := tab.Lookup(randomKey(i % 1000)); !ok {
				t.Error("a station has aged that was heard elsewhere")
				return
			}
		}
	})
	for now := uint32(100); now < 1000; now += 9 {
		tab.Tick(now)
	}
	close(stop)
	reader.Wait()
}

// Under damping a station stays where it was heard elsewhere. Who tries to move it does
// not cost a question for each frame.
func TestUsedDamps(t *testing.T) {
	tab, h := hearing(10, 1)
	tab.SetDamping(3)
	h.at[key(1, 0)] = [2]int{1, 105}
	for range 5 {
		if r, from := tab.Learn(key(1, 0), 2, 107); r != Damped || from != 1 {
			t.Errorf("%v, at %d", r, from)
		}
	}
	if h.asked != 1 {
		t.Errorf("asked %d times", h.asked)
	}
	if r, _ := tab.Learn(key(1, 0), 2, 109); r != Moved {
		t.Errorf("later: %v", r)
	}
}

// In a full table those make way that were not heard elsewhere either.
func TestUsedIsNotEvicted(t *testing.T) {
	tab, h := hearing(8, 8)
	for i := range byte(8) {
		if i != 5 {
			h.at[key(1, i)] = [2]int{1, 105}
		}
	}
	if r, _ := tab.Learn(key(1, 20), 2, 106); r != Learned {
		t.Fatalf("%v", r)
	}
	if _, ok := tab.Lookup(key(1, 5)); ok || tab.Len() != 8 {
		t.Errorf("another went than the silent one: %v", tab.Entries())
	}
}

// Ages are told as they are; static entries and a table that nobody passes by are asked
// of never.
func TestRefresh(t *testing.T) {
	tab, h := hearing(10, 1)
	if _, err := tab.AddStatic(key(1, 1), 1); err != nil {
		t.Fatal(err)
	}
	h.at[key(1, 0)] = [2]int{1, 105}
	tab.Tick(107)
	h.closed = true
	if tab.Refresh(); h.asked != 0 {
		t.Errorf("nobody is there, and asked %d times", h.asked)
	}
	h.closed = false
	tab.Refresh()
	if list := tab.Entries(); len(list) != 2 || list[0].Age != 2 || h.asked != 1 {
		t.Errorf("%v, asked %d times", list, h.asked)
	}
}
