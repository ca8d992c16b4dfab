package vnet

// WireLen returns the length in bytes of the longest frame that Append makes
// of a checked header and its frame: what must fit the mtu of a wire.
func WireLen(h Header, frame []byte) int {
	headers, n := segments(h, frame)
	if n == 1 {
		return len(frame)
	}
	return headers + int(h.GSOSize)
}
