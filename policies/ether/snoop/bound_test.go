package snoop

import (
	"fmt"
	"testing"
)

// Of a message as much is looked at as fits into an ethernet frame; what is more
// opens the domain.
func TestLongReport(t *testing.T) {
	for _, c := range []struct{ records, groups, refused int }{
		{187, 187, 0}, {188, 187, 1}, {8000, 187, 1},
	} {
		h := newSwitch(t, DefaultLimit)
		h.query()
		var records [][]byte
		for i := range c.records {
			records = append(records, rec(toExclude, fmt.Sprintf("239.1.%d.%d", i>>8, i&255)))
		}
		h.from(1, report3(records...))
		if s := h.tab.Stats(); s.Groups != c.groups || s.Refused != uint64(c.refused) {
			t.Errorf("%d records: %d groups, %d refused", c.records, s.Groups, s.Refused)
		}
		want := "1 7"
		if c.refused > 0 {
			want = "flood"
		}
		h.want("239.1.0.1", want)
	}
}

// purse is a Memory of so many bytes.
type purse struct{ left int }

func (p *purse) Charge(n int) bool {
	if n > p.left {
		return false
	}
	p.left -= n
	return true
}

func (p *purse) Refund(n int) { p.left += n }

// A table without memory opens the domain, as a full one does; and all memory
// is given back.
func TestNoMemory(t *testing.T) {
	const size = domainSize + 5*(groupSize+placeSize)
	p := &purse{size}
	h := newSwitch(t, DefaultLimit)
	h.tab.mem = p
	h.from(7, query2("10.0.0.1", "0.0.0.0", 100))
	h.after(11)
	for i := range 5 {
		h.from(1, report2(fmt.Sprintf("239.1.1.%d", i)))
	}
	h.want("239.1.1.1", "1 7")
	if p.left != 0 {
		t.Errorf("%d bytes are left", p.left)
	}
	h.from(2, report2("239.1.1.1")) // a place
	h.want("239.1.1.1", "flood")
	h.in(2, 1, report2("239.1.1.1")) // a domain
	if s := h.tab.Stats(); s.Refused != 2 || s.Groups != 5 {
		t.Errorf("%d refused, %d groups", s.Refused, s.Groups)
	}
	h.tab.Forget(1)
	if p.left != size-domainSize {
		t.Errorf("without members there are %d bytes", size-p.left)
	}
	h.after(400)
	h.tab.Flush()
	if p.left != size {
		t.Errorf("an empty table holds %d bytes", size-p.left)
	}
}
