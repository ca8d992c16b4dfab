//go:build !race

package harness

// Race tells that the test was built with the race detector.
const Race = false
