package udp

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// headerLen is how many bytes of a path's mtu the headers of IP and UDP take.
func headerLen(ip netip.Addr) int {
	if ip.Is4() {
		return 20 + 8
	}
	return 40 + 8
}

// pathEvery is how often a Path looks whether what has become shorter is longer again:
// the kernel forgets after 10 minutes (mtu_expires).
const pathEvery = time.Minute

// Path knows how long datagrams may be. It is a goroutine, until Close.
type Path struct {
	probe int
	to    []Addr
	tell  func(bytes int)
	stale chan struct{}
	done  chan struct{}
	ended chan struct{}
}

// NewPath asks for the longest datagram in bytes that all of some hosts can be sent, and
// tells it now and then, and soon after Stale. probe is a socket that nothing is sent by
// and that the Path owns from now on; it is closed if there is an error: there is no way to
// any of the hosts.
func NewPath(probe int, to []Addr, tell func(bytes int)) (p *Path, bytes int, err error) {
	p = &Path{probe: probe, to: to, tell: tell, stale: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{})}
	if bytes, err = p.measure(); err != nil {
		_ = unix.Close(probe)
		return nil, 0, err
	}
	go p.watch()
	return p, bytes, nil
}

// Stale says that what was told may be wrong. It does not wait.
func (p *Path) Stale() {
	select {
	case p.stale <- struct{}{}:
	default:
	}
}

// Close ends p. Nothing is told after it.
func (p *Path) Close() {
	close(p.done)
	<-p.ended
	_ = unix.Close(p.probe)
}

func (p *Path) watch() {
	defer close(p.ended)
	tick := time.NewTicker(pathEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
		case <-p.stale:
		}
		if bytes, err := p.measure(); err == nil {
			p.tell(bytes)
		}
	}
}

// measure is the least that all hosts can be sent to whom there is a way now.
func (p *Path) measure() (bytes int, err error) {
	for _, to := range p.to {
		mtu, failed := pathMTU(p.probe, to)
		if failed != nil {
			err = failed
		} else if n := mtu - headerLen(to.IP()); bytes == 0 || n < bytes {
			bytes = n
		}
	}
	if bytes > 0 {
		err = nil
	}
	return bytes, err
}

// pathMTU is how many bytes a packet to an address may have, with the header of IP, as far
// as the kernel knows (ip(7)). It connects the socket.
func pathMTU(fd int, to Addr) (int, error) {
	level, option := unix.SOL_IP, unix.IP_MTU
	var addr unix.Sockaddr = &unix.SockaddrInet4{Port: int(to.port), Addr: [4]byte(to.ip[12:])}
	if !to.IP().Is4() {
		level, option = unix.SOL_IPV6, unix.IPV6_MTU
		addr = &unix.SockaddrInet6{Port: int(to.port), Addr: to.ip, ZoneId: to.scope}
	}
	if err := unix.Connect(fd, addr); err != nil {
		return 0, err
	}
	mtu, err := unix.GetsockoptInt(fd, level, option)
	return min(mtu, maxMTU), err
}
