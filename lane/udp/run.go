package udp

// Limits of the kernel for one message that it cuts.
const (
	maxSegments = 64    // UDP_MAX_SEGMENTS before Linux 6.9, later 128
	maxBytes    = 65507 // of a datagram in IPv4; in IPv6 20 more
)

// runOf returns how many of the datagrams, from the first on, are one run: to one
// address, marked alike, each as long as the first but the last, which may be shorter.
// head is how many bytes each has in front.
func runOf(d []Datagram, head int) (n int) {
	first := &d[0]
	size := head + len(first.Data)
	total := size
	for n = 1; n < min(len(d), maxSegments); n++ {
		next := &d[n]
		length := head + len(next.Data)
		if length > size || length == 0 || total+length > maxBytes || next.TOS != first.TOS || next.To != first.To {
			return n
		}
		total += length
		if length < size {
			return n + 1
		}
	}
	return n
}
