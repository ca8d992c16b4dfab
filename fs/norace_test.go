//go:build !race

package fs

// raceEnabled tells whether the race detector is built in.
const raceEnabled = false
