package test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// checkMetrics is "metrics FILE": the file is in the text format that
// Prometheus reads (version 0.0.4).
func checkMetrics(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: metrics file")
	}
	n, err := parseMetrics(ts.ReadFile(args[0]))
	ts.Check(err)
	ts.Logf("%d samples", n)
}

var (
	helpLine   = regexp.MustCompile(`^# HELP ([a-z_:][a-z0-9_:]*) (\S.*)$`)
	typeLine   = regexp.MustCompile(`^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge)$`)
	sampleLine = regexp.MustCompile(`^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)`)
)

// parseMetrics checks the form of a text: each family once, with HELP, TYPE
// and its samples in this order, counters named ..._total and not negative,
// labels escaped, no sample twice. It returns the number of samples.
func parseMetrics(text string) (int, error) {
	if !strings.HasSuffix(text, "\n") {
		return 0, fmt.Errorf("the last line does not end")
	}
	if !utf8.ValidString(text) {
		return 0, fmt.Errorf("not UTF-8")
	}
	types := map[string]string{}
	seen := map[string]bool{}
	family, kind := "", ""
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(why string) (int, error) { return 0, fmt.Errorf("line %d: %s: %s", i+1, why, line) }
		if m := helpLine.FindStringSubmatch(line); m != nil {
			if _, twice := types[m[1]]; twice {
				return fail("a family twice")
			}
			family, kind = m[1], ""
			types[family] = ""
			continue
		}
		if m := typeLine.FindStringSubmatch(line); m != nil {
			if m[1] != family || kind != "" {
				return fail("TYPE does not follow its HELP")
			}
			if kind = m[2]; (kind == "counter") != strings.HasSuffix(family, "_total") {
				return fail("counters, and only they, are named _total")
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		switch {
		case m == nil:
			return fail("no sample")
		case m[1] != family || kind == "":
			return fail("a sample outside its family")
		case seen[m[1]+m[2]]:
			return fail("a sample twice")
		}
		seen[m[1]+m[2]] = true
		for labels := m[2]; labels != ""; {
			pair := labelPair.FindString(labels)
			if pair == "" {
				return fail("bad labels")
			}
			labels = labels[len(pair):]
		}
		if v, err := strconv.ParseFloat(m[3], 64); err != nil || kind == "counter" && v < 0 {
			return fail("bad value")
		}
	}
	return len(seen), nil
}

// TestParseMetrics checks the checker.
func TestParseMetrics(t *testing.T) {
	head := "# HELP a_total Some help.\n# TYPE a_total counter\n"
	good := head + `a_total{n="x\\y\"z\n",m=""} 3` + "\n" + `a_total{n="2"} 0` + "\n# HELP b B.\n# TYPE b gauge\nb -1\n"
	if n, err := parseMetrics(good); n != 3 || err != nil {
		t.Errorf("good: %d samples, %v", n, err)
	}
	for what, text := range map[string]string{
		"no UTF-8":        head + "a_total{n=\"\xff\"} 1\n",
		"no newline":      head + "a_total 1",
		"empty line":      head + "\na_total 1\n",
		"no type":         "# HELP a A.\na 1\n",
		"no help":         "# TYPE a gauge\na 1\n",
		"other family":    head + "b 1\n",
		"family twice":    head + "a_total 1\n" + head,
		"sample twice":    head + "a_total 1\na_total 2\n",
		"name of counter": "# HELP a A.\n# TYPE a counter\na 1\n",
		"name of gauge":   "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n",
		"unescaped quote": head + `a_total{n="x"y"} 1` + "\n",
		"unknown escape":  head + `a_total{n="\t"} 1` + "\n",
		"open label":      head + `a_total{n="x} 1` + "\n",
		"no value":        head + "a_total \n",
		"word as value":   head + "a_total many\n",
		"negative":        head + "a_total -1\n",
	} {
		if _, err := parseMetrics(text); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
