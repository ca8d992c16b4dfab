package main

import (
	"slices"
	"strings"
)

// names is a list on the command line, with commas. An empty one stands for everything.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

// Set implements flag.Value.
func (n *names) Set(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			*n = append(*n, name)
		}
	}
	return nil
}

func (n names) has(name string) bool { return len(n) == 0 || slices.Contains(n, name) }

// match says whether text contains one of the names.
func (n names) match(text string) bool {
	return len(n) == 0 || slices.ContainsFunc(n, func(name string) bool { return strings.Contains(text, name) })
}

// unknown is the first that is not in known.
func (n names) unknown(known []string) string {
	for _, name := range n {
		if !slices.Contains(known, name) {
			return name
		}
	}
	return ""
}
