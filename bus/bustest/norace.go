//go:build !race

package bustest

// raceEnabled tells whether the race detector is built in.
const raceEnabled = false
