package plane

import (
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// remover removes the devices of ports, those of many at once: for each request the
// kernel waits until no processor uses the devices, some hundredths of a second.
type remover struct {
	rtnl   *netlink.Handle
	socket *nl.SocketHandle

	removing sync.Mutex // by one at a time, who does the work of those who wait
	mu       sync.Mutex
	// +checklocks:mu
	slots []int
}

// removeGroup is the group of devices that are removed; others are in none.
const removeGroup = 1

// openRemover makes one for the namespace of the calling thread, which rtnl is of, too.
func openRemover(rtnl *netlink.Handle) (*remover, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	return &remover{rtnl: rtnl, socket: &nl.SocketHandle{Socket: socket}}, nil
}

// remove removes the devices of a slot, as far as they are there. When it returns no frame
// is on its way by them.
func (r *remover) remove(slot int) {
	r.mu.Lock()
	r.slots = append(r.slots, slot)
	r.mu.Unlock()

	r.removing.Lock()
	defer r.removing.Unlock()
	r.mu.Lock()
	slots := r.slots
	r.slots = nil
	r.mu.Unlock()
	if len(slots) == 0 {
		return // who was here before has done it
	}
	for _, slot := range slots {
		for _, index := range []int{tapIndex(slot), pairIndex(slot)} {
			_ = r.rtnl.LinkSetGroup(device(index), removeGroup)
		}
	}
	request := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: r.socket}
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(removeGroup)))
	_, _ = request.Execute(unix.NETLINK_ROUTE, 0) // there may be none any more
}
