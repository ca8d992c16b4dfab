package udp

import (
	"ipnfs/bus/vnet"
	"ipnfs/lane"
)

// Wire is what is known of the frames in a run besides their bytes.
type Wire struct {
	// Longest is the longest frame in bytes that the path carries: a longer one is the
	// super-frame of a tunnel on this machine (vnet.Unfinished). 0: no frame is
	// unfinished.
	Longest int
	// Datagram is the gso_size of such a super-frame of UDP; 0: the frames are none.
	Datagram int
}

// Add adds the frames of a run, none shorter than 14 bytes, to the batch of t, as few
// super-frames where they can be merged, and tells how many it added.
func Add(t *lane.Turn, frames [][]byte, w Wire) (added int) {
	for ; len(frames) > 0; added++ {
		at := len(t.Spare)
		merged, n := vnet.Merge(t.Spare, frames)
		if t.Spare = merged; n > 1 {
			t.Batch.AddVnet(merged[at:])
		} else {
			add(t, frames[0], w)
		}
		frames = frames[n:]
	}
	return added
}

// add adds one frame.
func add(t *lane.Turn, frame []byte, w Wire) {
	if w.Longest > 0 {
		if h, ok := vnet.Unfinished(frame, w.Longest, w.Datagram); ok {
			at := len(t.Spare)
			t.Spare = append(t.Spare, make([]byte, vnet.HeaderLen)...)
			h.Put(t.Spare[at:])
			t.Spare = append(t.Spare, frame...)
			t.Batch.AddVnet(t.Spare[at:])
			return
		}
	}
	t.Batch.AddPlain(frame)
}
