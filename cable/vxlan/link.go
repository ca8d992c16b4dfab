package vxlan

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/udp"
)

// headLen is the length in bytes of VXLAN's header, and minFrame of ethernet's.
var headLen = frame.VXLAN.HeadLen()

const minFrame = 14

// linkCost is what a link takes in bytes, besides stations and peers.
const linkCost = int(unsafe.Sizeof(link{})) + udp.MaxFrames*int(unsafe.Sizeof([]byte{}))

// link is the driver of a socket. Read and Write use different fields, but for the table
// and longest.
type link struct {
	fd      int
	vni     uint32
	port    uint16 // of all peers
	path    *udp.Path
	memory  *frame.Memory // which is charged linkCost
	table   *table        // nil: nothing is learned
	longest atomic.Int64  // frame in bytes that all paths carry

	in      udp.Receiver
	pace    udp.Pace
	frames  [][]byte // that are to be added
	peers   map[udp.Addr]bool
	anybody bool     // not only peers may send
	from    udp.Addr // who sent the last run, and
	allowed bool     // whether he may
	met     learned  // what was learned last

	out   udp.Writer
	flood []udp.Addr  // who gets what is for all
	one   [1]udp.Addr // who gets the next frame
	last  lookup      // the last answer of the table
}

// newLink makes a link of a network identifier without a socket, for which m has room.
func newLink(m *frame.Memory, vni uint32, port uint16) (*link, error) {
	if !m.ChargeTable(linkCost) {
		return nil, fail.Errorf(fail.NoMemory, "there is no memory for the socket: see mem")
	}
	k := &link{fd: -1, vni: vni, port: port, memory: m, peers: map[udp.Addr]bool{}}
	k.out.Head = make([]byte, headLen)
	new(frame.Frame).PutHead(k.out.Head, frame.VXLAN, vni)
	return k, nil
}

var (
	_ lane.Driver = (*link)(nil)
	_ udp.Router  = (*link)(nil)
)

// setLongest notes how long datagrams may be, and returns how long frames may be.
func (k *link) setLongest(datagram int) int {
	longest := max(frame.MinMTU, datagram-headLen)
	k.longest.Store(int64(longest))
	return longest
}

// Read is lane.Driver's.
func (k *link) Read(t *lane.Turn, room int) (frames int, err error) {
	runs, err := k.in.Receive(t, k.fd, k.pace.Runs(room))
	if err != nil {
		shorter, err := k.in.Heard(k.fd, err)
		if shorter {
			k.path.Stale()
		}
		return 0, err
	}
	t.Spare = t.Spare[:0]
	for i := range runs {
		frames += k.open(t, &runs[i])
	}
	frames += k.add(t, 0)
	k.pace.Note(len(runs), frames)
	return max(frames, len(runs)), nil
}

// Write is lane.Driver's.
func (k *link) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	k.last = lookup{}
	taken, err = k.out.Write(t, k.fd, frames, k)
	if k.out.TooLong {
		k.out.TooLong = false
		k.path.Stale()
	}
	return taken, err
}

// Close is lane.Driver's.
func (k *link) Close() {
	k.path.Close()
	if k.table != nil {
		k.table.close()
	}
	k.close()
}

// close closes the socket, if there is one.
func (k *link) close() {
	if k.fd >= 0 {
		_ = unix.Close(k.fd)
	}
	k.memory.RefundTable(linkCost)
}
