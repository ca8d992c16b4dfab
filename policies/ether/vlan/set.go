package vlan

import (
	"math/bits"
	"strconv"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/words"
)

// Identifiers (IEEE 802.1Q 9.6): 0 is none, a tag with it carries only a
// priority; 4095 is reserved.
const (
	IDs     = 4096
	MaxID   = 4094
	Default = 1
)

// Set is a set of VLANs. The zero Set is empty.
type Set [IDs / 64]uint64

// Has tells whether id, which is less than IDs, is in the set.
func (s *Set) Has(id uint16) bool { return s[id>>6]&(1<<(id&63)) != 0 }

// Add adds id.
func (s *Set) Add(id uint16) { s[id>>6] |= 1 << (id & 63) }

// AddSet adds all of t.
func (s *Set) AddSet(t *Set) {
	for i, word := range t {
		s[i] |= word
	}
}

// IsAll tells whether the set is "all": each VLAN that there can be.
func (s *Set) IsAll() bool { return *s == all }

// Each goes through the set by number.
func (s *Set) Each(yield func(uint16) bool) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			if !yield(uint16(i*64 + bits.TrailingZeros64(word))) {
				return
			}
		}
	}
}

// String gives the set as ParseSet takes it.
func (s *Set) String() string {
	if s.IsAll() {
		return "all"
	}
	var parts []string
	for v := 1; v <= MaxID; v++ {
		if !s.Has(uint16(v)) {
			continue
		}
		first := v
		for v < MaxID && s.Has(uint16(v+1)) {
			v++
		}
		part := strconv.Itoa(first)
		if v > first {
			part += "-" + strconv.Itoa(v)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ",")
}

var all = func() (s Set) {
	for v := uint16(1); v <= MaxID; v++ {
		s.Add(v)
	}
	return s
}()

// ParseSet reads a set: none, all, or numbers and ranges (10,20-29) with commas
// or spaces between.
func ParseSet(text string) (*Set, error) {
	s := &Set{}
	switch text {
	case "none":
		return s, nil
	case "all":
		*s = all
		return s, nil
	}
	list := words.List(text)
	if len(list) == 0 {
		return nil, fail.Errorf(fail.Invalid, "no VLANs: numbers and ranges (10,20-29), all, or none")
	}
	for _, word := range list {
		low, high, isRange := strings.Cut(word, "-")
		from, err := Parse(low)
		to := from
		if err == nil && isRange {
			to, err = Parse(high)
		}
		if err != nil {
			return nil, err
		}
		if to < from {
			return nil, fail.Errorf(fail.Invalid, "VLANs %s: the range is empty", word)
		}
		for v := from; v <= to; v++ {
			s.Add(v)
		}
	}
	return s, nil
}

// Parse reads the identifier of a VLAN, 1 to MaxID.
func Parse(text string) (uint16, error) { return words.Int[uint16]("VLAN", text, 1, MaxID) }
