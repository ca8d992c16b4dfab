package plane

import (
	"testing"

	"github.com/cilium/ebpf"

	"ipnfs/bus/fail"
)

// keysOf makes n keys of a network.
func keysOf(network uint32, n int) (keys []Key, entries []Entry) {
	for i := range n {
		keys = append(keys, Key{network, 1, [6]byte{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}})
		entries = append(entries, Entry{Slot: 7, Mark: 8, Tagged: i%2 == 1})
	}
	return keys, entries
}

func TestTable(t *testing.T) {
	p := need(t)
	network := p.NewNetwork()
	defer p.FreeNetwork(network)
	keys, entries := keysOf(network, 1000)
	if err := p.Put(nil, nil); err != nil {
		t.Error(err)
	}
	if err := p.Put(keys, entries); err != nil {
		t.Fatal(err)
	}
	defer p.Delete(keys)
	for i := range keys {
		var v value
		if err := p.maps.fdb.Lookup(&keys[i], &v); err != nil || v != (value{7, 1 | uint16(i%2)*tagged, 8, 0}) {
			t.Fatalf("entry %d is %+v, %v", i, v, err)
		}
	}

	// When it was used outlives a change.
	if err := p.maps.fdb.Put(&keys[3], &value{7, 1 | tagged, 8, 99}); err != nil {
		t.Fatal(err)
	}
	if err := p.Put(keys[3:4], []Entry{{Slot: 9, Mark: 10}}); err != nil {
		t.Fatal(err)
	}
	var v value
	if err := p.maps.fdb.Lookup(&keys[3], &v); err != nil || v != (value{9, 1, 10, 99}) || p.Used(keys[3]) != 99 {
		t.Errorf("changed, it is %+v, %v", v, err)
	}

	// What is not there is passed over.
	p.Delete([]Key{keys[0]})
	p.Delete([]Key{keys[0], keys[1], keys[2], keys[0], keys[999], keys[0]})
	for i, there := range map[int]bool{0: false, 1: false, 2: false, 3: true, 998: true, 999: false} {
		if err := p.maps.fdb.Lookup(&keys[i], &v); (err == nil) != there {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	if used := p.Used(keys[0]); used != 0 {
		t.Errorf("what is not there was used at %d", used)
	}
}

func TestTableFull(t *testing.T) {
	need(t)
	small, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 12, ValueSize: 16, MaxEntries: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	p := &Plane{maps: &maps{fdb: small}}
	keys, entries := keysOf(1, 11)
	if err := p.Put(keys, entries); fail.KindOf(err) != fail.NoSpace {
		t.Errorf("more than it takes: %v", err)
	}
	if err := p.Put(keys[:10], entries[:10]); err != nil {
		t.Errorf("what is there already: %v", err)
	}
}

// Numbers of networks are given again only when they are free.
func TestNetworks(t *testing.T) {
	p := &Plane{}
	p.slots.init(2)
	a, b := p.NewNetwork(), p.NewNetwork()
	p.FreeNetwork(a)
	p.slots.network = b - 1 // as if all had been given
	if c := p.NewNetwork(); c == b {
		t.Errorf("number %d is of two networks", c)
	}
}
