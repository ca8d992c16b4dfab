package frame

// Drop is why a frame was dropped on its way in.
type Drop uint8

// The reasons; 0 is none.
const (
	DropVLAN      Drop = iota + 1 // the port is not in the VLAN, or takes no such tag
	DropSTP                       // the spanning tree keeps the port from forwarding
	DropStorm                     // over the port's rate of such frames
	DropIsolated                  // between isolated ports
	DropFiltered                  // the destination is where the frame came from, or not to be forwarded to
	DropMalformed                 // no such frame can be, or its header lies
	DropLoop                      // it has passed as many cables as a frame may
	DropOverrun                   // its sender was faster than it could be brought here
	Drops                         // how many there are, none included
)

var dropNames = [Drops]string{"", "vlan", "stp", "storm", "isolated", "filtered", "malformed", "loop", "overrun"}

// String is the reason's name, as counters have it.
func (d Drop) String() string { return dropNames[d] }
