package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// series are the figures of one candidate in one row, by round.
type series map[int]float64

func (s series) sorted() []float64 {
	var all []float64
	for _, v := range s {
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}

func (s series) median() float64 {
	all := s.sorted()
	if len(all) == 0 {
		return math.NaN()
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// over divides round by round.
func (s series) over(other series) series {
	ratios := series{}
	for round, v := range s {
		if o, ok := other[round]; ok && o != 0 {
			ratios[round] = v / o
		}
	}
	return ratios
}

// String is the median, with least and most if there are several.
func (s series) String() string {
	all := s.sorted()
	switch len(all) {
	case 0:
		return "-"
	case 1:
		return figure(all[0])
	}
	return fmt.Sprintf("%s (%s-%s)", figure(s.median()), figure(all[0]), figure(all[len(all)-1]))
}

// figure writes a number with three digits that count, and k or M.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 999.5e3:
		return digits(v/1e6) + " M"
	case a >= 999.5:
		return digits(v/1e3) + " k"
	}
	return digits(v)
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// verdict says whether a target is met.
func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "**MISSED**"
}
