package snoop

import "testing"

func TestText(t *testing.T) {
	h := newSwitch(t, 10)
	if s := h.tab.Text(); s != "" {
		t.Errorf("an empty table: %q", s)
	}
	h.after(5)
	h.tab.SetRouter(9, true)
	h.in(10, 7, query2("10.0.0.1", "0.0.0.0", 100))
	h.in(10, 8, query2("10.0.0.2", "0.0.0.0", 100))
	h.after(3)
	h.in(10, 5, report2("239.1.2.3"))
	h.in(10, 2, report2("239.1.2.3"))
	h.in(10, 2, report2("225.1.2.3"))
	h.in(2, 1, mldReport("ff05::1:3"))
	h.after(12)
	want := `- router any 9 -
2 pruning ipv6 off -
2 group ff05::1:3 1 12
10 pruning ipv4 on -
10 querier 10.0.0.1 7 15
10 router ipv4 7 15
10 router ipv4 8 15
10 group 225.1.2.3 2 12
10 group 239.1.2.3 2,5 12
`
	if got := h.tab.Text(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	h.after(245)
	want = `- router any 9 -
2 pruning ipv6 off -
2 group ff05::1:3 1 257
10 pruning ipv4 off -
10 group 225.1.2.3 2 257
10 group 239.1.2.3 2,5 257
`
	if got := h.tab.Text(); got != want {
		t.Errorf("without a querier\n%swant\n%s", got, want)
	}
}
