package cable

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// Resolve finds the addresses of a host, a name or an address itself. Names are asked
// of the servers of this machine, from his network namespace.
func (o *Origin) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		return o.dial(ctx, network, address)
	}}
	list, err := r.LookupNetIP(ctx, "ip", host)
	for i := range list {
		list[i] = list[i].Unmap()
	}
	return list, err
}

// Dial connects to HOST:PORT by TCP, to each address of the host in turn, which have
// bus.Patience each.
func (o *Origin) Dial(ctx context.Context, address string) (conn net.Conn, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	list, err := o.Resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	err = errors.New("the host has no address")
	for _, a := range list {
		if conn, err = o.dialFor(ctx, bus.Patience, net.JoinHostPort(a.String(), port)); err == nil || ctx.Err() != nil {
			return conn, err
		}
	}
	return nil, err
}

func (o *Origin) dialFor(ctx context.Context, patience time.Duration, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return o.dial(ctx, "tcp", address)
}

// dial connects to an address in numbers, by tcp or udp. Only what makes the socket is
// done by a thread that acts for him: the wait costs none.
func (o *Origin) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	kind := unix.SOCK_STREAM
	if network[:3] == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd := -1
	err = o.Do(func() (err error) {
		domain, addr := Sockaddr(to)
		if fd, err = unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("socket", err)
		}
		if err = unix.Connect(fd, addr); err != nil && err != unix.EINPROGRESS {
			return os.NewSyscallError("connect", err)
		}
		return nil
	})
	if fd < 0 {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), address)
	defer f.Close()
	if err == nil {
		err = connected(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// connected waits until a socket that is being connected is.
func connected(ctx context.Context, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })()
	var failed error
	err = raw.Write(func(fd uintptr) (done bool) {
		state, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			failed = os.NewSyscallError("getsockopt", err)
		case state != 0:
			failed = os.NewSyscallError("connect", unix.Errno(state))
		default:
			_, err := unix.Getpeername(int(fd))
			return err == nil
		}
		return true
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return cmp.Or(failed, err)
}

// Sockaddr gives an address as system calls take it, and its family.
func Sockaddr(a netip.AddrPort) (domain int, addr unix.Sockaddr) {
	if a.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: zone(a.Addr().Zone())}
}

// zone is the number of an interface of that name, for who calls within Do.
func zone(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// Listen listens on ADDR:PORT by TCP, ADDR being an address in numbers, or nothing: any.
func (o *Origin) Listen(ctx context.Context, address string) (net.Listener, error) {
	at, both, err := parseListen(address)
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return nil, err
	}
	fd := -1
	err = o.Do(func() (err error) {
		if fd, err = listen(at, both); errors.Is(err, unix.EAFNOSUPPORT) && both {
			fd, err = listen(netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port()), false)
		}
		return err
	})
	if err != nil {
		return nil, refuse(err, "listening on %s", address)
	}
	f := os.NewFile(uintptr(fd), address)
	defer f.Close()
	return net.FileListener(f)
}

// parseListen reads ADDR:PORT; without an ADDR it is of both families.
func parseListen(address string) (at netip.AddrPort, both bool, err error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && host == "" {
		host, both = "::", true
	}
	if err == nil {
		at, err = netip.ParseAddrPort(net.JoinHostPort(host, port))
	}
	if err != nil {
		return at, both, fail.Errorf(fail.Invalid, "%s: not ADDRESS:PORT in numbers, nor :PORT", fail.Quote(address))
	}
	return at, both, nil
}

// listen makes the socket. Package net is not asked to: what it finds out about IPv6 in
// this network namespace it would take for true in all.
func listen(at netip.AddrPort, both bool) (fd int, err error) {
	domain, addr := Sockaddr(at)
	if fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	only := 1
	if both {
		only = 0
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && domain == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, addr))
	}
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, unix.SOMAXCONN))
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// syscallError is what the kernel said.
func syscallError(err error) error {
	var e *os.SyscallError
	if errors.As(err, &e) {
		return e
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
