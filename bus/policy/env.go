package policy

// Env is what a network offers to its policy, from Start to Stop.
type Env interface {
	// Listening tells whether anybody reads the network's events: if not, a
	// policy need not make them. From any thread.
	Listening() bool
	// Kind returns the kind of what is connected to p, such as "port" or "tap",
	// and LinkUp tells whether frames pass it, as far as it says so. From within
	// the calls that hold the network's lock.
	Kind(p Port) string
	LinkUp(p Port) bool
	// Keeps tells whether p will exist, or goes on to exist, with nobody
	// connected: its number is reserved. From within the calls that hold the
	// network's lock.
	Keeps(p Port) bool
	// Event publishes an event from within the calls that hold the network's
	// lock; from Forward it takes Defer.
	Event(name, format string, args ...any)
	// Send sends a frame of the policy's own out of p, when the present call has
	// ended. The bytes are copied.
	Send(p Port, frame []byte)
	// Defer asks that f be called with the network's lock held, when the frame of
	// the present Forward is on its way. It is for what is rare: it costs memory
	// and a lock. It returns false, and f is not called, if too much waits already.
	Defer(f func()) bool
	// Urgent is Defer for what the network's life hangs on, such as a BPDU: it does
	// not compete with what is deferred otherwise, and comes first.
	Urgent(f func()) bool
	// Charge books n bytes of a table that the policy keeps to the network's memory,
	// or books nothing and returns false if that may hold no more. From any thread.
	// When Stop returns the policy has given all of it back.
	Charge(n int) bool
	// Refund returns n bytes booked by Charge.
	Refund(n int)
}
