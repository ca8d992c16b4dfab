package main

import (
	"fmt"
	"slices"
	"strings"
)

// report is all tables of the rounds; seconds is the length of a measurement.
func (b *session) report(tests []test, seconds float64) string {
	var out strings.Builder
	done := map[string]bool{}
	for _, t := range tests {
		if done[t.section] {
			continue
		}
		done[t.section] = true
		same := slices.DeleteFunc(slices.Clone(tests), func(o test) bool { return o.section != t.section })
		fmt.Fprintf(&out, "## %s\n\n%s\n", t.section, notes[t.section])
		if !t.once {
			fmt.Fprintf(&out, "Median (least-most) of %d rounds of %g s.\n", b.options.rounds, seconds)
		}
		out.WriteString("\n")
		b.table(&out, same)
	}
	return out.String()
}

// columns are those of all tests of a table, ipnfs last.
func columns(tests []test) (peers []string) {
	for _, t := range tests {
		for _, c := range t.columns {
			if c != "ipnfs" && !slices.Contains(peers, c) {
				peers = append(peers, c)
			}
		}
	}
	return peers
}

func (b *session) table(out *strings.Builder, tests []test) {
	peers := columns(tests)
	head := append([]string{""}, peers...)
	head = append(head, "ipnfs")
	for _, p := range peers {
		head = append(head, "ipnfs / "+p)
	}
	line(out, head)
	line(out, append([]string{"---"}, slices.Repeat([]string{"---:"}, len(head)-1)...))
	for _, t := range tests {
		for _, r := range t.rows {
			b.row(out, &t, r, peers)
		}
	}
	if tests[0].rows[0].key == "per_"+receivers[0] {
		b.spread(out, &tests[0], peers)
	}
	out.WriteString("\n")
}

func (b *session) row(out *strings.Builder, t *test, r row, peers []string) {
	own := b.series(t, "ipnfs", r.key)
	cells := []string{r.title}
	for _, c := range append(slices.Clone(peers), "ipnfs") {
		cell := b.series(t, c, r.key).String()
		if second := b.series(t, c, r.second); len(second) > 0 {
			cell = figure(b.series(t, c, r.key).median()) + " / " + figure(second.median())
		}
		if t.reference != "" && c != t.reference && c != "ipnfs" {
			if ratio := b.series(t, c, r.key).over(b.series(t, t.reference, r.key)); len(ratio) > 0 {
				cell += fmt.Sprintf(", %s x", figure(ratio.median()))
			}
		}
		for _, k := range r.claims {
			if ratio := b.series(t, c, r.key).over(b.series(t, k.peer, r.key)); k.column == c && len(ratio) > 0 {
				cell += fmt.Sprintf(", %s of %s, at least %g: %s", figure(ratio.median()), k.peer, k.least, verdict(ratio.median() >= k.least))
			}
		}
		if c == "ipnfs" && r.least > 0 && len(own) > 0 {
			cell += fmt.Sprintf(", at least %s: %s", figure(r.least), verdict(own.median() >= r.least))
		}
		cells = append(cells, cell)
	}
	for _, p := range peers {
		ratio := own.over(b.series(t, p, r.key))
		cell := ratio.String()
		if target := r.ratios[p]; target > 0 && len(ratio) > 0 {
			cell += fmt.Sprintf(", at least %g: %s", target, verdict(ratio.median() >= target))
		}
		if target := r.most[p]; target > 0 && len(ratio) > 0 {
			cell += fmt.Sprintf(", at most %g: %s", target, verdict(ratio.median() <= target))
		}
		cells = append(cells, cell)
	}
	line(out, cells)
}

// maxSpread is how much the cost of a delivery may differ between few and many receivers.
const maxSpread = 1.2

// spread adds the line that says whether the cost of a delivery stays the same.
func (b *session) spread(out *strings.Builder, t *test, peers []string) {
	cells := []string{"dearest / cheapest"}
	for _, c := range append(slices.Clone(peers), "ipnfs") {
		var medians []float64
		for _, r := range t.rows {
			if s := b.series(t, c, r.key); len(s) > 0 {
				medians = append(medians, s.median())
			}
		}
		if len(medians) == 0 {
			cells = append(cells, "-")
			continue
		}
		ratio := slices.Max(medians) / slices.Min(medians)
		cell := figure(ratio)
		if c == "ipnfs" && t.section == sectionQueued {
			cell += fmt.Sprintf(", at most %g: %s", maxSpread, verdict(ratio <= maxSpread))
		}
		cells = append(cells, cell)
	}
	line(out, append(cells, slices.Repeat([]string{""}, len(peers))...))
}

// series collects one figure of a candidate in a test.
func (b *session) series(t *test, column, key string) series {
	s := series{}
	for _, r := range b.results {
		if v, ok := r.Values[key]; ok && r.Test == t.name() && r.Free == t.free && r.Column == column {
			s[r.Round] = v
		}
	}
	return s
}

func line(out *strings.Builder, cells []string) {
	out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
