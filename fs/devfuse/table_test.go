package devfuse

import (
	"sync"
	"testing"
)

func TestTable(t *testing.T) {
	var tab table
	if tab.get(hotBit) != nil || tab.remove(hotBit) != nil {
		t.Error("an empty table has a handle")
	}
	const n = 3*chunkSize + 5
	files := make([]*file, n)
	numbers := map[uint64]int{}
	for i := range files {
		files[i] = &file{}
		fh := tab.add(files[i])
		if _, twice := numbers[fh]; twice || fh&hotBit == 0 {
			t.Fatalf("handle %d got the number %x", i, fh)
		}
		numbers[fh] = i
	}
	for fh, i := range numbers {
		if tab.get(fh) != Handle(files[i]) {
			t.Fatalf("number %x is another handle", fh)
		}
		if tab.get(fh&^hotBit) != nil || tab.get(fh+n) != nil && fh+n >= hotBit+n {
			t.Fatalf("a number beside %x is a handle", fh)
		}
	}
	for _, fh := range []uint64{0, 1, hotBit - 1, hotBit | n, hotBit | 1<<20, ^uint64(0)} {
		if tab.get(fh) != nil || tab.remove(fh) != nil {
			t.Errorf("number %x is a handle", fh)
		}
	}
	count := func() (k int) {
		tab.each(func(fh uint64, h Handle) bool {
			if i := numbers[fh]; h != Handle(files[i]) {
				t.Errorf("each calls number %x another handle", fh)
			}
			k++
			return true
		})
		return k
	}
	if k := count(); k != n {
		t.Errorf("each finds %d of %d", k, n)
	}
	for fh, i := range numbers {
		if tab.remove(fh) != Handle(files[i]) || tab.get(fh) != nil || tab.remove(fh) != nil {
			t.Fatalf("number %x was removed, and is there still or twice", fh)
		}
	}
	if k := count(); k != 0 {
		t.Errorf("%d handles are left", k)
	}
	// Numbers are used again, so the table does not grow.
	for range n {
		if fh := tab.add(files[0]); numbers[fh] == 0 && fh != hotBit {
			if _, known := numbers[fh]; !known {
				t.Fatalf("number %x is new though %d are free", fh, n)
			}
		}
	}
}

func TestEachStops(t *testing.T) {
	var tab table
	for range 10 {
		tab.add(&file{})
	}
	calls := 0
	tab.each(func(uint64, Handle) bool { calls++; return calls < 3 })
	if calls != 3 {
		t.Errorf("called %d times, told to stop at 3", calls)
	}
}

func TestTableConcurrently(t *testing.T) {
	var tab table
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 500 {
				f := &file{}
				fh := tab.add(f)
				if tab.get(fh) != Handle(f) {
					t.Errorf("number %x is another handle", fh)
				}
				tab.each(func(uint64, Handle) bool { return true })
				if tab.remove(fh) != Handle(f) {
					t.Errorf("number %x was another handle", fh)
				}
			}
		}()
	}
	all.Wait()
}
