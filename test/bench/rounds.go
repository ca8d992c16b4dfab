package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// session is one run of the benchmark.
type session struct {
	options
	ctx      context.Context
	dir      string            // for everything
	tools    map[string]string // paths of programs by name
	running  []*daemon
	lans     []*lan
	results  []result
	failures int
}

// result is what load said about one candidate in one test of one round.
type result struct {
	Round  int                `json:"round"`
	Test   string             `json:"test"`
	Free   bool               `json:"free"`
	Column string             `json:"column"`
	Values map[string]float64 `json:"values"`
}

// bus is the part of that name: all its tests, the pinned ones before the free ones in each round.
func (b *session) bus() {
	tests := slices.DeleteFunc(plan(), func(t test) bool { return !b.measure.match(t.name()) })
	pinned := slices.DeleteFunc(slices.Clone(tests), func(t test) bool { return t.free })
	free := slices.DeleteFunc(slices.Clone(tests), func(t test) bool { return !t.free })
	for round := range b.options.rounds {
		b.round(round, pinned)
		b.round(round, free)
	}
	if b.ctx.Err() == nil {
		fmt.Print(b.report(tests, b.length()))
		b.scale()
	}
}

// length is how many seconds a test takes that needs no longer time.
func (b *session) length() float64 {
	if b.seconds > 0 {
		return b.seconds
	}
	return 0.25
}

// round starts the candidates these tests need, gives each its turn at each test and stops them.
func (b *session) round(round int, tests []test) {
	daemons := map[string]*daemon{}
	for _, t := range tests {
		if b.ctx.Err() != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "bench: round %d/%d, %s\n", round+1, b.options.rounds, t.name())
		for i := range t.columns {
			column := t.columns[(i+round)%len(t.columns)]
			if b.ctx.Err() != nil || !b.chosen(column) {
				continue
			}
			name := column
			if column != "ipnfs" {
				name += "-" + t.kind
			}
			d, seen := daemons[name]
			if !seen {
				var err error
				if d, err = b.start(name, !t.free); err != nil {
					b.fail(err)
				}
				daemons[name] = d
			}
			if d == nil {
				continue
			}
			drive := t.drive
			if drive == nil {
				drive = (*session).load
			}
			values, err := drive(b, d, &t)
			if err != nil {
				b.fail(fmt.Errorf("%s: %s: %w", name, t.name(), err))
				continue
			}
			b.results = append(b.results, result{round, t.name(), t.free, column, values})
		}
	}
	for _, d := range daemons {
		if d != nil {
			b.stop(d)
		}
	}
}

// chosen says whether a candidate takes part.
func (b *session) chosen(name string) bool {
	return b.only.has(name) && (name != "before" || b.before != "") && (!strings.HasPrefix(name, "ipnfs") || b.bin != "")
}

func (b *session) fail(err error) {
	if b.ctx.Err() == nil {
		b.failures++
		fmt.Fprintln(os.Stderr, "bench: FAILED:", err)
	}
}

// derive adds what follows from load's figures: the share of each receiver in a broadcast.
func derive(values map[string]float64) {
	for _, n := range receivers {
		if cpu, ok := values["cpu_"+n]; ok {
			number, _ := strconv.ParseFloat(n, 64)
			values["per_"+n] = (cpu - values["cpu_0"]) / number
		}
	}
}

func (b *session) writeJSON(file string) error {
	data, err := json.MarshalIndent(b.results, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}
