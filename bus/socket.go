package bus

import "time"

// Patience is how long a visitor may take to say what he must.
const Patience = 10 * time.Second

// Socket is a unix socket in the directory of each network. A connection to it
// becomes a port.
type Socket struct {
	// Packets: it is SOCK_SEQPACKET, and else SOCK_STREAM.
	Packets bool
	// Serve makes v a port of his network, or refuses him and changes nothing.
	// It is called on a goroutine of its own and may wait for what v says first;
	// who says nothing for Patience is to be refused. From the call on it owns
	// v.FD, also if it fails.
	Serve func(v *Visitor) error
}

// Visitor is who connected to a socket of a network.
type Visitor struct {
	Network *Network
	Caller      // Kind is the socket's name
	FD      int // his connection, non-blocking and closed on exec

	// Recv and Send are his rights: those that the mode of port gave him when he
	// connected. He has one of them.
	Recv, Send bool

	// Joined may be called when he is a port, if Serve goes on after that. Until
	// then, or Serve returns, he is one of his user's who are waited for; of those
	// there may be few.
	Joined func()

	// Tell writes what was wrong with what he did to the file errors of the network.
	Tell func(err error)

	// Left is called once, when nothing of him is left. Until then he holds the
	// mount, as an open file does.
	Left func()
}

// Join says how v wants to join: with his rights, as what he is.
func (v *Visitor) Join() JoinOptions {
	return JoinOptions{Recv: v.Recv, Send: v.Send, Brings: true, Info: v.Info}
}
