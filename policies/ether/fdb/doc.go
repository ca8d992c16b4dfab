// Package fdb is the forwarding database of an ethernet switch (IEEE 802.1Q
// clause 8.8): which port a station was last seen at, by VLAN and MAC
// address. Every frame asks it twice, to Learn its source and to Lookup its
// destination, from many threads at once. Any switch may use it; ports are
// numbers.
//
// # Layout
//
// One hash table with open addressing (slots.go). A slot is two words, the key and
// what is known of it; four slots fill one cache line of 64 bytes, and a search
// goes on in the next line only if a line is full. So with a hundred thousand
// addresses an operation costs one line from a farther cache more than with a
// hundred. The array is one piece of memory, as the processor then finds it by
// few translations of addresses.
//
// A table that is nearly full fills another array beside the first one, some
// lines with each new address (grow.go), and is searched in both meanwhile. So no
// frame pays for more than that and the making of the array, and what it makes is
// charged before. A table that gets no memory behaves as one that is full. One
// that is nearly empty becomes smaller in the same way.
//
// # Who may do what at once
//
//   - Lookup, and Learn of what is known already, take no lock and allocate
//     nothing. Learn writes only when the second of the stamp has changed: as
//     long as it has not, the line stays shared between the cores. Entries takes
//     no lock either.
//   - All else takes Table.mu: a new address, a move, flushing, ageing, static
//     entries, growth. What looks through the whole table gives it up every
//     some ten microseconds.
//
// What is removed keeps its slot, empty, until another key needs it. A slot that
// goes to another key is empty in between. Who finds his key there and then reads
// the place sees by some bits of the key in it, and by a second look at the key,
// whether they belong together. While an array is being filled slots keep
// their keys. What has moved to it stays in the old array as it was, for readers
// who are there. If they stamp an entry just then the stamp may be lost, and the
// station's next frame repeats it; nothing else is written without the lock.
//
// # Who fills it
//
// The port that has most entries gives way in a full table, and a port that has
// as many as it may to itself (owner.go).
//
// # Time
//
// Seconds on the caller's clock, any origin. Learn brings its own; Lookup
// goes by the last Tick.
//
// Frames that pass without Learn, such as in the kernel, count as well: when the
// last of a station came is asked (Elsewhere) before the station ages out, moves under
// damping, or makes way for another, and before its age is told (Refresh).
package fdb
