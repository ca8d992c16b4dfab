// Package cable joins a network to something elsewhere: it serves the file cable of
// each network, whose lines are locators. It knows no kind of cable: packages below it
// (cable/vxlan and the like) register theirs as a Scheme.
//
//   - scheme.go: what the author of a kind of cable writes: Scheme, Dialer, Link.
//   - command.go: what may be written to the file.
//   - origin.go, path.go, meet.go: who laid a cable and from where; what he may open and
//     connect to; dial.go: how names and addresses are reached from there.
//   - attacher.go: attach, detach, list, save. registry.go: what is attached where.
//   - cable.go: one cable from attach to its end.
//   - supervise.go: its connections, one after the other. line.go: the driver under
//     its port, which stays while they come and go.
//   - turn.go: how goroutines that work for peers leave time to others.
//   - answers.go: what senders are told of packets that are too long for the link; toobig
//     makes it.
//   - instance.go: which network elsewhere a cable leads to, so that no two lead to one.
//   - plug.go: what a Dialer may say of its cable. report.go: what is told of it.
//
// # The path of a frame
//
// The port of a cable is a lane.Endpoint whose driver is a line. A line hands each call
// on to the driver of the link that is up, under a lock that nobody else wants while
// the link lives: one lock a burst. While there is none, what is written is lost and
// counted, so nothing waits, and the descriptor is an eventfd that tells nothing.
//
// # Rights
//
// The file is written by whoever may manage the network, and the process usually is
// root. All that a cable opens, for as long as it lives, is opened by a thread with the
// ids, groups and capabilities of who laid it, in his network namespace and below his
// root directory (Origin). Threads that wait for his file systems are few for each user.
//
// # Locks
//
// registry.mu, cable.mu, Origin.mu and those of all users are leaves. line.reading and line.writing may be taken
// under Conn.mu; no call of bus is made under them but those that a driver may make.
package cable
