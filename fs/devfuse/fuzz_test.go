package devfuse

import (
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// FuzzDispatch serves any bytes as requests. Nothing panics, no answer goes to
// a number that was not asked under, and no number is answered twice.
func FuzzDispatch(f *testing.F) {
	f.Add(writeOf(hotBit, 2, []byte("hello")))
	f.Add(readOf(hotBit, 2, 100))
	f.Add(readOf(7, 2, 1<<31))
	f.Add(interruptOf(3, 2))
	f.Add(releaseOf(hotBit, 2))
	f.Add(message(pollIn{InHeader: head(opPoll, 2), Fh: hotBit}))
	for op := uint32(1); op < 60; op++ {
		f.Add(message(head(op, 2)))
		f.Add(message(head(op, 2), []byte("a name\x00another\x00 and some more bytes, enough for any fixed part of a request, and then a few ")...))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		tr := &tree{RawFileSystem: fuse.NewDefaultRawFileSystem(), file: &file{}}
		d, kernel := pair(t, tr)
		tr.dev = d
		d.Open(&file{})
		kept := readOf(hotBit, 1<<40, 10)
		d.dispatch(kept)
		if !d.dispatch(request) {
			d.serveCold(request)
			d.cold.Wait()
		}
		unique := uint64(0)
		if h := as[fuse.InHeader](request); h != nil {
			unique = h.Unique
		}
		seen := map[uint64]int{}
		for _, a := range answers(t, kernel) {
			seen[a.unique]++
			if a.unique != unique && a.unique != 1<<40 {
				t.Errorf("opcode %d: an answer to %d, asked was %d", as[fuse.InHeader](request).Opcode, a.unique, unique)
			}
			if seen[a.unique] > 1 && unique != 1<<40 {
				t.Errorf("opcode %d: %d is answered twice", as[fuse.InHeader](request).Opcode, a.unique)
			}
		}
		d.finish()
		for _, a := range answers(t, kernel) {
			seen[a.unique]++
		}
		if seen[1<<40] != 1 && unique != 1<<40 {
			t.Errorf("a read that waited is answered %d times", seen[1<<40])
		}
	})
}
