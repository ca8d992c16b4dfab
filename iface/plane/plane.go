// Package plane is what forwards in the kernel: one program and its maps for all
// networks of the process, and the devices of each port. It decides nothing: all
// that it knows others have put there, see package fastpath.
//
//   - plane.go: load it, once; probe.go: why there is none.
//   - maps.go: what the program and the process share; table.go: where addresses are.
//   - program.go: the path of a frame, in order; steps.go, size.go, tags.go: its steps.
//   - slots.go: places and networks; port.go: a port, and how it is treated;
//     devices.go, remove.go: what it consists of.
//   - counts.go: what went by a port; news.go: what the kernel tells of its devices.
//
// Nothing of it has a name outside of the process, is pinned, or is in a namespace that
// others enter, but for the hosts' ends of the ports, which go with their other ends.
// So nothing is left of a process that is killed.
package plane

import (
	"sync"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
)

// Plane is the process's only one.
type Plane struct {
	ns      *netns.NS
	ipv6    bool // cannot be switched off for all devices of ns at once
	maps    *maps
	program *ebpf.Program
	rtnl    *netlink.Handle // of ns, for any thread
	remover *remover
	news    *news
	slots   slots
}

// Load makes the plane when it is first called. The error says why this kernel, or this
// process, cannot have one, in a few words.
var Load = sync.OnceValues(load)

func load() (*Plane, error) {
	p := &Plane{}
	if err := p.make(); err != nil {
		p.unload()
		return nil, explain(err)
	}
	return p, nil
}

// make makes all of it.
func (p *Plane) make() (err error) {
	if p.ns, err = netns.New(); err != nil {
		return err
	}
	err = p.ns.Do(func() (err error) {
		p.ipv6 = switchOffIPv6() != nil
		if p.rtnl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return err
		}
		if p.remover, err = openRemover(p.rtnl); err != nil {
			return err
		}
		p.news, err = openNews()
		return err
	})
	if err != nil {
		return err
	}
	if p.maps, err = newMaps(); err != nil {
		return err
	}
	p.slots.init(p.maps.slots)
	if p.program, err = newProgram(p.maps.steps()); err != nil {
		return err
	}
	return p.probe()
}

// unload gives back what load has made so far.
func (p *Plane) unload() {
	if p.program != nil {
		_ = p.program.Close()
	}
	if p.maps != nil {
		p.maps.close()
	}
	if p.news != nil {
		p.news.close()
	}
	if p.remover != nil {
		p.remover.socket.Close()
	}
	if p.rtnl != nil {
		p.rtnl.Close()
	}
	if p.ns != nil {
		p.ns.Close()
	}
}

// NS is the private namespace that the daemon's ends of ports lie in.
func (p *Plane) NS() *netns.NS { return p.ns }
