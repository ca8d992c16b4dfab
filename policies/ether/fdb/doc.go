// Package fdb is the forwarding database of an ethernet switch (IEEE 802.1Q
// clause 8.8): which port a station was last seen at, by VLAN and MAC
// address. Every frame asks it twice, to Learn its source and to Lookup its
// destination, from many threads at once.
//
// # Layout
//
// Chunks of 1024 slots (slots.go) and a directory of them, by the first bits of
// a key's hash (directory.go). A chunk is a hash table with open addressing. A
// slot is two words, the key and what is known of it; four slots fill one cache
// line of 64 bytes, and a search goes on in the next line only if a line is
// full. So with a hundred thousand addresses an operation costs one line from a
// farther cache more than with a hundred.
//
// A table grows by one chunk at a time (grow.go), so no frame pays for more
// than that, however large the table is. Each chunk is charged before it is
// made. A table that gets no memory behaves as one that is full.
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
// Within one chunk a slot gets its key once and keeps it, so a reader who
// finds the key may trust the word beside it. What is removed keeps its slot,
// empty, until another chunk takes the place of this one in the directory. A
// reader on the old chunk meanwhile sees it as it was a moment ago. If he
// stamps an entry just then the stamp may be lost, and the station's next
// frame repeats it; nothing else is written without the lock.
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
package fdb
