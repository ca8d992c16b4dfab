package ether

import "testing"

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		to, from               [6]byte
		valid, group, all, res bool
	}{
		{[6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}, true, false, false, false},
		{[6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, [6]byte{0, 0, 0, 0, 0, 1}, true, true, true, false},
		{[6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, [6]byte{}, false, true, false, false},
		{[6]byte{1, 0x80, 0xc2, 0, 0, 15}, [6]byte{1, 0, 0, 0, 0, 1}, false, true, false, true},
		{[6]byte{1, 0x80, 0xc2, 0, 0, 16}, [6]byte{0x80}, true, true, false, false},
		{[6]byte{1, 0x80, 0xc2, 0, 1, 0}, [6]byte{0, 0, 0, 0, 1, 0}, true, true, false, false},
	} {
		f := append(append(c.to[:], c.from[:]...), 8, 0)
		if ValidSource(f) != c.valid || ToGroup(f) != c.group || ToAll(f) != c.all || Reserved(f) != c.res {
			t.Errorf("%x: valid %v, group %v, all %v, reserved %v", f, ValidSource(f), ToGroup(f), ToAll(f), Reserved(f))
		}
	}
}
