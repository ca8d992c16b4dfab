// Package vsock is the cables vsock://CID:PORT and vsock-listen://PORT: frames in a stream
// between a virtual machine and its host (vsock(7)), or in the socket by which
// Firecracker, and others like it, give such a stream to their host: vsock://PATH:PORT.
//
// Both ends say hello (ipnfs/cable/relay); then frames go as ipnfs/lane/stream tells, by
// the descriptor itself.
package vsock

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/cable"
	"ipnfs/cable/relay"
	"ipnfs/lane/stream"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{Name: "vsock", Summary: "vsock://CID:PORT, vsock://PATH:PORT: a virtual machine, or its host", Hops: true, Open: open})
	cable.Register(cable.Scheme{Name: "vsock-listen", Summary: "vsock-listen://PORT: what connects by vsock://", Hops: true, Can: can, Open: openListener})
}

// can tells whether the kernel has such sockets.
func can() bool {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err == nil
}

// dialer connects.
type dialer struct {
	path string // of a socket; empty: none
	addr unix.SockaddrVM
}

var _ cable.Dialer = (*dialer)(nil)

// open is cable.Scheme's.
func open(l words.Locator, _ *cable.Origin) (cable.Dialer, error) {
	i := strings.LastIndexByte(l.Rest, ':')
	if i <= 0 || len(l.Args) > 0 {
		return nil, fail.Errorf(fail.Invalid, "vsock: vsock://CID:PORT or vsock://PATH:PORT is meant, without arguments")
	}
	d := &dialer{}
	var err error
	if d.addr.Port, err = port(l.Rest[i+1:]); err != nil {
		return nil, err
	}
	if where := l.Rest[:i]; where[0] == '/' {
		d.path = where
	} else if d.addr.CID, err = words.Int("CID", where, uint32(0), unix.VMADDR_CID_ANY-1); err != nil {
		return nil, err
	} else if !can() {
		return nil, fail.Errorf(fail.Unsupported, "this machine has no vsock: the kernel needs it built in or loaded")
	}
	return d, nil
}

// port reads one of vsock.
func port(text string) (uint32, error) {
	return words.Int("port", text, uint32(0), unix.VMADDR_PORT_ANY-1)
}

// Close is cable.Dialer's.
func (d *dialer) Close() {}

// Dial is cable.Dialer's.
func (d *dialer) Dial(ctx context.Context, p *cable.Plug) (*cable.Link, error) {
	o := p.Origin()
	if d.path != "" {
		fd, err := o.DialUnix(d.path, unix.SOCK_STREAM)
		if err != nil {
			return nil, err
		}
		return link(ctx, fd, p, fmt.Sprintf("%s:%d", d.path, d.addr.Port), d.ask)
	}
	fd, err := o.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	// It is non-blocking: what comes of it the first write tells.
	if err := unix.Connect(fd, &d.addr); err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	return link(ctx, fd, p, fmt.Sprintf("%d:%d", d.addr.CID, d.addr.Port), connected)
}

// connected waits until a socket that is being connected is, or tells why not.
func connected(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) (done bool) {
		state, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && state != 0 {
			err = os.NewSyscallError("connect", unix.Errno(state))
		}
		if failed = err; err != nil {
			return true
		}
		_, err = unix.Getpeername(int(fd))
		return err == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// ask asks the socket of a virtual machine for a stream to a port: docs/vsock.md of
// Firecracker.
func (d *dialer) ask(f *os.File) error {
	if _, err := fmt.Fprintf(f, "CONNECT %d\n", d.addr.Port); err != nil {
		return err
	}
	var said []byte
	for b := make([]byte, 1); len(said) < 32; said = append(said, b[0]) {
		if _, err := f.Read(b); err != nil {
			return err
		}
		if b[0] == '\n' {
			break
		}
	}
	if !strings.HasPrefix(string(said), "OK ") {
		return fmt.Errorf("%s says %s to CONNECT %d", d.path, fail.Quote(string(said)), d.addr.Port)
	}
	return nil
}

// link makes a link of a socket, after begin has made a stream of it; nil: it is one. It
// owns the descriptor.
func link(ctx context.Context, fd int, p *cable.Plug, peer string, begin func(f *os.File) error) (*cable.Link, error) {
	f := os.NewFile(uintptr(fd), peer)
	defer f.Close()
	if err := f.SetDeadline(time.Now().Add(bus.Patience)); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetDeadline(time.Unix(1, 0)) })()
	if begin != nil {
		if err := begin(f); err != nil {
			return nil, err
		}
	}
	h, err := relay.Greet(f, p)
	if err != nil {
		return nil, err
	}
	own, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(own, true); err != nil {
		_ = unix.Close(own)
		return nil, os.NewSyscallError("fcntl", err)
	}
	d := stream.New(stream.Config{Form: frame.Hops4, In: own, Out: own, Net: p.Network()})
	return &cable.Link{Source: d.Source(), Peer: peer, MaxLen: h.MTU}, nil
}
