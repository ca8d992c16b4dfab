package fdb

import (
	"errors"
	"slices"
	"testing"
)

// check fails the test if the table contradicts itself: a key in two slots,
// or a count that is not what is there.
func check(t *testing.T, tab *Table) {
	t.Helper()
	tab.mu.Lock()
	defer tab.mu.Unlock()
	seen := map[Key]*slot{}
	owned, live := map[int]int{}, 0
	for region := range regions { // one by one, as ports are flushed
		tab.inRegions(region, region+1, func(s *slot, k Key, p place) bool {
			if seen[k] == s {
				return true
			} else if seen[k] != nil {
				t.Errorf("key %#x has two slots", k)
			}
			if seen[k] = s; tab.find(k) != s {
				t.Errorf("key %#x is not found where it is", k)
			}
			o, region := tab.owners[p.port()], tab.array.Load().hash(k)>>(64-regionBits)
			if o.where == nil && !slices.Contains(o.keys, k) || o.where != nil && o.where[region/64]>>(region%64)&1 == 0 {
				t.Errorf("port %d does not know where its key %#x is", p.port(), k)
			}
			owned[p.port()]++
			live++
			return true
		})
	}
	if live != tab.Len() {
		t.Errorf("Len is %d with %d entries", tab.Len(), live)
	}
	for port, o := range tab.owners {
		if o.live != owned[port] {
			t.Errorf("port %d has %d entries, and counts %d", port, owned[port], o.live)
		}
	}
}

func key(vlan uint16, last byte) Key { return MakeKey(vlan, [6]byte{2, 0, 0, 0, 0, last}) }

func TestKey(t *testing.T) {
	mac := [6]byte{0xfe, 1, 2, 3, 4, 0xfd}
	k := MakeKey(4094, mac)
	if k.VLAN() != 4094 || k.MAC() != mac {
		t.Errorf("%#x: VLAN %d MAC %x", k, k.VLAN(), k.MAC())
	}
	if MakeKey(0, [6]byte{}) == 0 {
		t.Error("a key is 0, which means an empty slot")
	}
}

// TestLearn goes through the results of Learn one after the other.
func TestLearn(t *testing.T) {
	tab := New(3, nil)
	if _, err := tab.AddStatic(key(1, 9), 9); err != nil {
		t.Fatal(err)
	}
	const never = 0xffffffff // keep the damping
	for i, c := range []struct {
		key     Key
		port    int
		now     uint32
		damping uint32
		want    Result
		from    int
		at      int // where Lookup finds it then; 0: nowhere
	}{
		{key(1, 1), 1, 10, 0, Learned, 0, 1},
		{key(1, 1), 1, 10, never, Known, 0, 1},
		{key(1, 1), 1, 11, never, Known, 0, 1},
		{key(1, 1), 1, 10, never, Known, 0, 1}, // a thread whose clock is late
		{key(1, 1), MaxPort, 11, never, Moved, 1, MaxPort},
		{key(1, 1), 2, 12, 3, Damped, MaxPort, MaxPort},
		{key(1, 1), 2, 14, never, Damped, MaxPort, MaxPort},
		{key(1, 1), MaxPort, 14, never, Known, 0, MaxPort},
		{key(1, 1), 2, 17, never, Damped, MaxPort, MaxPort},
		{key(1, 1), 2, 18, never, Moved, MaxPort, 2},
		{key(2, 1), 5, 18, 0, Learned, 0, 5}, // another VLAN, another station
		{key(1, 1), 2, 18, never, Known, 0, 2},
		{key(3, 1), 5, 18, never, Refused, 0, 0},
		{key(1, 9), 9, 18, never, Known, 0, 9},
		{key(1, 9), 8, 18, never, Static, 9, 9},
	} {
		if c.damping != never {
			tab.SetDamping(c.damping)
		}
		r, from := tab.Learn(c.key, c.port, c.now)
		if r != c.want || from != c.from {
			t.Errorf("step %d: result %d from %d, want %d from %d", i, r, from, c.want, c.from)
		}
		if port, ok := tab.Lookup(c.key); port != c.at || ok != (c.at != 0) {
			t.Errorf("step %d: at port %d %v, want %d", i, port, ok, c.at)
		}
		check(t, tab)
	}
	if s, want := tab.Stats(), (Stats{Learned: 2, Moved: 2, Damped: 3, Refused: 1}); s != want {
		t.Errorf("counted %+v, want %+v", s, want)
	}
}

// A refused address is learned as soon as there is room.
func TestLimit(t *testing.T) {
	tab := New(2, nil)
	tab.Learn(key(1, 1), 1, 1)
	tab.Learn(key(1, 2), 1, 1)
	if r, _ := tab.Learn(key(1, 3), 1, 1); r != Refused {
		t.Errorf("above the limit: %d", r)
	}
	if _, err := tab.AddStatic(key(1, 3), 1); !errors.Is(err, ErrFull) {
		t.Errorf("static above the limit: %v", err)
	}
	if _, err := tab.AddStatic(key(1, 2), 2); err != nil {
		t.Errorf("static instead of learned: %v", err)
	}
	tab.Remove(key(1, 1))
	if r, _ := tab.Learn(key(1, 3), 1, 1); r != Learned {
		t.Errorf("with room again: %d", r)
	}
	tab.SetLimit(1)
	if tab.Limit() != 1 || tab.Len() != 2 {
		t.Errorf("limit %d with %d entries, want 1 with 2", tab.Limit(), tab.Len())
	}
	tab.Remove(key(1, 3))
	if r, _ := tab.Learn(key(1, 3), 1, 1); r != Refused { // its empty slot makes no difference
		t.Errorf("after lowering the limit: %d", r)
	}
	check(t, tab)
}

func TestAgeing(t *testing.T) {
	tab := New(100, nil)
	if tab.Ageing() != DefaultAgeing {
		t.Errorf("ageing %d at first", tab.Ageing())
	}
	tab.SetAgeing(10)
	tab.Tick(100)
	tab.Learn(key(1, 1), 1, 100)
	tab.Learn(key(1, 2), 1, 105)
	if _, err := tab.AddStatic(key(1, 3), 1); err != nil {
		t.Fatal(err)
	}
	tab.Tick(110)
	if tab.Len() != 3 {
		t.Errorf("%d entries after 10 seconds, want all 3", tab.Len())
	}
	tab.Tick(111)
	if _, ok := tab.Lookup(key(1, 1)); ok || tab.Len() != 2 || tab.Stats().Aged != 1 {
		t.Errorf("after 11 seconds: found %v, %d entries, %d aged", ok, tab.Len(), tab.Stats().Aged)
	}
	// A shorter time holds at once, before the next Tick.
	tab.SetAgeing(5)
	if _, ok := tab.Lookup(key(1, 2)); ok {
		t.Error("found 6 seconds old with 5 allowed")
	}
	if n := len(tab.Entries()); n != 1 {
		t.Errorf("%d entries listed, want the static one", n)
	}
	// What has aged out is new again, wherever it comes.
	tab.SetDamping(100)
	if r, _ := tab.Learn(key(1, 2), 2, 111); r != Learned {
		t.Errorf("aged out and seen at another port: %d", r)
	}
	if tab.Stats().Aged != 2 || tab.Len() != 2 {
		t.Errorf("%d aged, %d left", tab.Stats().Aged, tab.Len())
	}
	tab.SetAgeing(0)
	tab.Tick(1 << 31)
	if tab.Len() != 2 {
		t.Errorf("%d entries, want 2 that never age", tab.Len())
	}
	check(t, tab)
}

// Who adds a static entry is told where the address was, though that had aged out.
func TestStaticBefore(t *testing.T) {
	tab := New(10, nil)
	tab.Tick(100)
	tab.Learn(key(1, 1), 7, 100)
	tab.now.Store(200)
	tab.SetAgeing(10)
	if _, ok := tab.Lookup(key(1, 1)); ok {
		t.Fatal("it has not aged out")
	}
	for _, want := range []int{7, 2, 0} {
		k := key(1, 1)
		if want == 0 {
			k = key(1, 2)
		}
		if before, err := tab.AddStatic(k, 2); before != want || err != nil {
			t.Errorf("added, it was at %d, %v, want %d", before, err, want)
		}
	}
}

func TestStaticEdit(t *testing.T) {
	tab := New(10, nil)
	for _, port := range []int{0, -1, MaxPort + 1} {
		if _, err := tab.AddStatic(key(1, 1), port); err == nil {
			t.Errorf("port %d accepted", port)
		}
	}
	if _, err := tab.AddStatic(key(1, 1), MaxPort); err != nil {
		t.Fatal(err)
	}
	if port, ok := tab.Lookup(key(1, 1)); !ok || port != MaxPort {
		t.Errorf("found at %d %v", port, ok)
	}
	if !tab.Remove(key(1, 1)) || tab.Remove(key(1, 1)) || tab.Remove(key(1, 2)) {
		t.Error("Remove must tell whether something was there")
	}
	check(t, tab)
}

func TestFlush(t *testing.T) {
	for _, c := range []struct {
		name  string
		flush func(*Table) int
		left  []byte // the last byte of the address
	}{
		{"all", (*Table).Flush, []byte{5, 6}},
		{"port", func(t *Table) int { return t.FlushPort(1, false) }, []byte{2, 4, 5, 6}},
		{"port with static", func(t *Table) int { return t.FlushPort(1, true) }, []byte{2, 4, 6}},
		{"VLAN", func(t *Table) int { return t.FlushVLAN(1) }, []byte{3, 4, 5, 6}},
		{"port in a VLAN", func(t *Table) int { return t.FlushPortVLAN(1, 1) }, []byte{2, 3, 4, 5, 6}},
	} {
		tab := New(10, nil)
		tab.Learn(key(1, 1), 1, 1)
		tab.Learn(key(1, 2), 2, 1)
		tab.Learn(key(2, 3), 1, 1)
		tab.Learn(key(2, 4), 2, 1)
		tab.AddStatic(key(1, 5), 1)
		tab.AddStatic(key(1, 6), 2)
		gone := c.flush(tab)
		list := tab.Entries()
		if gone != 6-len(c.left) || len(list) != len(c.left) {
			t.Errorf("%s: %d gone, %d left, want %d left", c.name, gone, len(list), len(c.left))
			continue
		}
		left := map[byte]bool{}
		for _, e := range list {
			left[e.MAC[5]] = true
		}
		for _, b := range c.left {
			if !left[b] {
				t.Errorf("%s: entry %d is gone", c.name, b)
			}
		}
		check(t, tab)
	}
}

func TestEntries(t *testing.T) {
	tab := New(10, nil)
	tab.Learn(key(2, 1), 7, 90)
	tab.Learn(key(1, 2), 65536, 95)
	tab.Learn(key(1, 1), 1, 101) // later than the Tick below
	tab.AddStatic(key(0, 3), 3)
	tab.Tick(100)
	want := []Entry{
		{0, [6]byte{2, 0, 0, 0, 0, 3}, 3, 0, true},
		{1, [6]byte{2, 0, 0, 0, 0, 1}, 1, 0, false},
		{1, [6]byte{2, 0, 0, 0, 0, 2}, 65536, 5, false},
		{2, [6]byte{2, 0, 0, 0, 0, 1}, 7, 10, false},
	}
	got := tab.Entries()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d: %v, want %v", i, got[i], want[i])
		}
	}
}

// purse is a Memory of a size in bytes.
type purse struct{ left int }

func (p *purse) Charge(n int) bool {
	if n > p.left {
		return false
	}
	p.left -= n
	return true
}

func (p *purse) Refund(n int) { p.left += n }

// Memory follows the number of entries, up and down, and all is charged.
func TestSize(t *testing.T) {
	mem := &purse{left: 1 << 30}
	used := func() int { return 1<<30 - mem.left }
	tab := New(MaxLimit, mem)
	for i := range 100_000 {
		tab.Learn(randomKey(i), 1, 1)
	}
	if n := used(); n < 16*100_000 || n > 50*100_000 {
		t.Errorf("100000 entries have %d bytes", n)
	}
	a := tab.array.Load()
	want := a.size()*slotSize - BaseSize
	if old := a.old.Load(); old != nil {
		want += old.size() * slotSize
	}
	if used() != want {
		t.Errorf("%d bytes are charged, %d are there", used(), want)
	}
	check(t, tab)
	tab.Tick(2 + DefaultAgeing)
	if s := tab.Stats(); tab.Len() != 0 || s.Aged != 100_000 {
		t.Errorf("%d left, %d aged out", tab.Len(), s.Aged)
	}
	if n := used(); n != 0 {
		t.Errorf("an emptied table holds %d bytes", n)
	}
	// Coming and going stations use up slots, not memory.
	for i := range 100_000 {
		tab.Learn(randomKey(i), 1, 1)
		tab.Remove(randomKey(i))
	}
	if n := used(); n != 0 {
		t.Errorf("one entry at a time takes %d bytes", n)
	}
	check(t, tab)
}

// A table that gets no more memory is as one that is full: the greediest port
// gives way, and the others find room.
func TestNoMemory(t *testing.T) {
	const slots = 8 << 10 // then there is no memory for more
	tab := New(MaxLimit, &purse{left: (slots + slots/2 - minSlots) * slotSize})
	for i := range 20_000 {
		tab.Learn(randomKey(i), 1, 1)
	}
	full := tab.Len()
	if full < slots/2 || full > slots || tab.Stats().Refused == 0 {
		t.Fatalf("%d slots hold %d entries, %d refused", slots, full, tab.Stats().Refused)
	}
	for i := range 1000 {
		if r, _ := tab.Learn(randomKey(40_000+i), 2+i%50, 1); r != Learned {
			t.Fatalf("station %d: result %d", i, r)
		}
		tab.Learn(randomKey(50_000+i), 1, 1) // the flood goes on
	}
	for i := range 1000 {
		if port, ok := tab.Lookup(randomKey(40_000 + i)); !ok || port != 2+i%50 {
			t.Errorf("station %d is at %d, %v", i, port, ok)
		}
	}
	check(t, tab)
}

// A port may have so many, and then its own oldest ones go.
func TestPortLimit(t *testing.T) {
	tab := New(DefaultLimit, nil)
	tab.SetPortLimit(1, 100)
	for i := range 5000 {
		tab.Learn(randomKey(i), 1, uint32(i))
		tab.Learn(randomKey(10_000+i), 2, uint32(i))
	}
	count := map[int]int{}
	for _, e := range tab.Entries() {
		count[e.Port]++
	}
	if count[1] != 100 || count[2] != 5000 {
		t.Errorf("ports 1 and 2 have %v", count)
	}
	if s := tab.Stats(); s.Evicted != 4900 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
	for i := range 200 { // those of others that move there count, too
		tab.Learn(randomKey(10_000+i), 1, 6000)
	}
	if n := tab.FlushPort(1, true); n != 100 {
		t.Errorf("the port had %d", n)
	}
	check(t, tab)
}

// What is listed is told once, however the table grows and shrinks meanwhile.
func TestEntriesMeanwhile(t *testing.T) {
	tab := New(MaxLimit, nil)
	for i := range 1000 {
		if _, err := tab.AddStatic(randomKey(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for round := range uint32(5) {
			for i := range 20_000 {
				tab.Learn(randomKey(1000+i), 2, round*1000)
			}
			tab.Tick(round*1000 + 999)
		}
	}()
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		static := map[[6]byte]bool{}
		for _, e := range tab.Entries() {
			if e.Static {
				if static[e.MAC] {
					t.Fatalf("%x is told twice", e.MAC)
				}
				static[e.MAC] = true
			}
		}
		if len(static) != 1000 {
			t.Fatalf("%d of 1000 static entries are told", len(static))
		}
	}
	check(t, tab)
}

func TestNoAllocation(t *testing.T) {
	tab := fullTable(1000)
	now, i := uint32(1), 0
	if n := testing.AllocsPerRun(1000, func() {
		k := randomKey(i % 1000)
		tab.Learn(k, 1, now) // known
		now++
		tab.Learn(k, 1, now) // another second
		tab.Learn(k, 2, now) // moved
		tab.Learn(k, 1, now)
		tab.Learn(k^1, 1, now) // refused
		tab.Lookup(k)
		i++
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// Who fills the table keeps nobody else out: the others' stations find room at
// his cost, and static entries too.
func TestFloodTakesNothing(t *testing.T) {
	const limit = 1000
	tab := New(limit, nil)
	for i := range 10 * limit {
		tab.Learn(randomKey(i), 1, 1)
	}
	for port := 2; port < 12; port++ {
		for i := range 50 {
			k := key(uint16(port), byte(i))
			if r, _ := tab.Learn(k, port, 1); r != Learned {
				t.Fatalf("station %d of port %d: result %d", i, port, r)
			}
		}
		for i := range 100 { // the flood goes on
			tab.Learn(randomKey(100_000+1000*port+i), 1, 1)
		}
	}
	if _, err := tab.AddStatic(key(4000, 1), 3); err != nil {
		t.Errorf("a static entry: %v", err)
	}
	for port := 2; port < 12; port++ {
		for i := range 50 {
			if at, ok := tab.Lookup(key(uint16(port), byte(i))); !ok || at != port {
				t.Fatalf("station %d of port %d is at %d, %v", i, port, at, ok)
			}
		}
	}
	if s := tab.Stats(); tab.Len() != limit || s.Evicted != 501 || s.Refused == 0 {
		t.Errorf("%d entries, %+v", tab.Len(), s)
	}
	check(t, tab)
	if n := tab.FlushPort(1, true); n != limit-501 || tab.Len() != 501 {
		t.Errorf("%d went with port 1, %d are left", n, tab.Len())
	}
}

// A port with few addresses knows them, and leaves without a look at the table;
// what it knows is charged.
func TestFewKeys(t *testing.T) {
	mem := &purse{left: 1 << 20}
	tab := New(DefaultLimit, mem)
	for i := range 50 {
		tab.Learn(randomKey(i), 1, 1)
		tab.Learn(randomKey(i), 2, 1) // it moves there and back
		tab.Learn(randomKey(i), 1, 1)
	}
	if o := tab.owners[1]; o.where != nil || len(o.keys) < 50 || 1<<20-mem.left != (cap(o.keys)+cap(tab.owners[2].keys))*keySize {
		t.Errorf("%d keys, room for %d, %d bytes", len(o.keys), cap(o.keys), 1<<20-mem.left)
	}
	check(t, tab)
	for i := range 10_000 { // forgotten ones do not make it many
		tab.Learn(randomKey(i), 1, 1)
		tab.Remove(randomKey(i))
	}
	if tab.owners[1].where != nil {
		t.Error("a port with few entries does not know them any more")
	}
	if n := tab.FlushPort(1, true) + tab.FlushPort(2, true); n != 0 || mem.left != 1<<20 {
		t.Errorf("%d went, %d bytes are left", n, 1<<20-mem.left)
	}
}

// Who watches is told of all that comes, moves and goes: from that alone he knows
// what is there.
func TestWatch(t *testing.T) {
	tab, mirror := New(100, nil), map[Key]int{}
	tab.Watch(func(k Key) {
		if port, ok := tab.Lookup(k); ok {
			mirror[k] = port
		} else {
			delete(mirror, k)
		}
	})
	for round := range uint32(50) {
		for i := range 60 {
			tab.Learn(randomKey(int(round)*20+i), 1+(int(round)+i/7)%3, round)
		}
		tab.AddStatic(randomKey(int(round)), 3)
		tab.Remove(randomKey(int(round) * 20))
		switch round % 5 {
		case 1:
			tab.FlushPort(2, false)
		case 2:
			tab.FlushVLAN(3)
		case 3:
			tab.SetAgeing(round % 7)
		}
		tab.Tick(round)
		if len(mirror) != tab.Len() {
			t.Fatalf("round %d: %d entries, and %d are known", round, tab.Len(), len(mirror))
		}
		for _, e := range tab.Entries() {
			if mirror[MakeKey(e.VLAN, e.MAC)] != e.Port {
				t.Fatalf("round %d: %v is known at %d", round, e, mirror[MakeKey(e.VLAN, e.MAC)])
			}
		}
	}
}
