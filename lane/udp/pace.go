package udp

// Pace tells how many runs to receive for a burst of so many frames.
type Pace struct{ frames int } // in a run, at the last time

// Runs returns how many runs have about so many frames; at least 1.
func (p *Pace) Runs(frames int) int { return max(1, frames/max(1, p.frames)) }

// Note notes how many frames some runs had.
func (p *Pace) Note(runs, frames int) { p.frames = frames / max(1, runs) }
