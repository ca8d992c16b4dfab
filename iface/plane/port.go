package plane

import "ipnfs/iface/netns"

// Port is a pair of veth devices, of which one end is the host's, and a punt tap, by which
// the daemon gets what the program does not forward, and sends.
type Port struct{}

// NewPort makes a port. The host's end is in host, has that name, and is down. No frame
// of the port is forwarded before Set.
func (p *Plane) NewPort(host *netns.NS, name string) (*Port, error) { panic("not yet") }

// Slot is the port's place in the plane.
func (p *Port) Slot() int { panic("not yet") }

// Index is the index of the daemon's end of the pair in Plane.NS.
func (p *Port) Index() int { panic("not yet") }

// Tap is the descriptor of the punt tap. It is non-blocking and stays the port's own.
func (p *Port) Tap() int { panic("not yet") }

// Settings say how the program treats frames of a port.
type Settings struct {
	Network  uint32
	Isolated bool
	VLANs    bool
	PVID     uint16
	TPID     uint16
}

// Mark is the number that entries and settings of the port must have to count.
func (p *Port) Mark() uint32 { panic("not yet") }

// Revoke makes another mark: by one store nothing is forwarded to or from the port any
// more. From any thread.
func (p *Port) Revoke() { panic("not yet") }

// Set lets frames of the port be forwarded, as s says, if the port has that mark still.
// By one thread at a time.
func (p *Port) Set(mark uint32, s Settings) { panic("not yet") }

// SetLimits sets the longest frame, in bytes with its header: that the host's end takes,
// its outermost tag not counted (0: any), and that the network takes, with it. Longer ones
// are punted.
func (p *Port) SetLimits(device, network int) { panic("not yet") }

// Carried says that n more frames of the punt tap were carried to all their receivers, in
// order: when all are, known addresses are forwarded again. By one thread at a time.
func (p *Port) Carried(n int) { panic("not yet") }

// Counts are what went by a port since it was made. Bytes are those of frames with
// their tags; a super-frame is one frame.
type Counts struct {
	In, InBytes           uint64 // forwarded from the host
	Out, OutBytes         uint64 // forwarded to the host's end, which may not have taken all
	Overrun, OverrunBytes uint64 // from the host, lost since the daemon did not keep up
	Lost                  uint64 // to the host's end, the daemon's own included, and not taken by it
}

// Counts tells what went by. Lost is asked of the kernel; when the device has gone it is
// what was known last, and all that it cannot have taken.
func (p *Port) Counts() Counts { panic("not yet") }

// Close ends the port with all its devices.
func (p *Port) Close() { panic("not yet") }
