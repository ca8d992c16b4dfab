package frame

// Edit is a change to the tags of a frame on its way to a port: first Strip
// tags are taken off behind the MAC addresses, then Push is put there. The
// zero Edit changes nothing. A policy strips only tags that are there.
type Edit struct {
	Strip uint8  // number of tags, 0 to 2
	Push  uint32 // TPID<<16 | TCI (IEEE 802.1Q 9.3); 0: none
}
