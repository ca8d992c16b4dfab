package bus

// Bypasser is an Endpoint of whose frames some may go past the network, such as a device
// that the kernel forwards known addresses to.
type Bypasser interface {
	Endpoint
	// Bypass says whether frames to and from it may go past the network from now on: they
	// may if why is empty. Else all must come to it, as why says: something watches or
	// shapes the port. It is called when the endpoint has joined, and when this or the
	// policy may have changed, with the network's lock held. When it has
	// returned no frame goes past that the change forbids. It must take a bounded time and
	// call neither the network nor its policy.
	Bypass(why string)
	// Count brings the counters of the connection up to date, by Conn.Add. It is
	// called before these are read or reset. No lock is held.
	Count()
}
