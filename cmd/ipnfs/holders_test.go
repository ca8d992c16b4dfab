package main

import "testing"

func TestFew(t *testing.T) {
	for _, c := range []struct {
		list []int
		want string
	}{
		{nil, ""}, {[]int{1}, "1"}, {[]int{1, 2, 3, 4, 5}, "1, 2, 3, 4, 5"}, {[]int{1, 2, 3, 4, 5, 6, 7}, "1, 2, 3, 4, 5 and 2 more"},
	} {
		if got := few(c.list); got != c.want {
			t.Errorf("%v: %q, want %q", c.list, got, c.want)
		}
	}
}
