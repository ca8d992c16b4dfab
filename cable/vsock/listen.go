package vsock

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/words"
)

// backlog is how many may wait to be accepted.
const backlog = 16

// listener waits to be connected to. Who knows the port may.
type listener struct {
	port uint32
	file *os.File // of Dial and Close; nil: it does not listen yet
}

var _ cable.Dialer = (*listener)(nil)

// openListener is cable.Scheme's.
func openListener(l words.Locator, _ *cable.Origin) (cable.Dialer, error) {
	number, err := port(l.Rest)
	if err == nil && len(l.Args) > 0 {
		err = fail.Errorf(fail.Invalid, "vsock-listen: vsock-listen://PORT is meant, without arguments")
	}
	return &listener{port: number}, err
}

// Close is cable.Dialer's.
func (d *listener) Close() {
	if d.file != nil {
		_ = d.file.Close()
	}
}

// Dial is cable.Dialer's.
func (d *listener) Dial(ctx context.Context, p *cable.Plug) (*cable.Link, error) {
	if d.file == nil {
		if err := d.listen(p.Origin()); err != nil {
			return nil, err
		}
	}
	p.Waiting()
	fd, from, err := d.accept(ctx)
	if err != nil {
		return nil, err
	}
	return link(ctx, fd, p, from, nil)
}

func (d *listener) listen(o *cable.Origin) error {
	fd, err := o.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	err = o.Do(func() error { // a port below 1024 takes a right
		if err := unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: d.port}); err != nil {
			return os.NewSyscallError("bind", err)
		}
		return os.NewSyscallError("listen", unix.Listen(fd, backlog))
	})
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	d.file = os.NewFile(uintptr(fd), "vsock")
	return nil
}

// accept waits for a connection.
func (d *listener) accept(ctx context.Context) (fd int, from string, err error) {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return -1, "", err
	}
	defer context.AfterFunc(ctx, func() { _ = d.file.Close() })()
	var failed error
	err = raw.Read(func(l uintptr) (done bool) {
		var a unix.Sockaddr
		fd, a, failed = unix.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if a, ok := a.(*unix.SockaddrVM); ok {
			from = fmt.Sprintf("%d:%d", a.CID, a.Port)
		}
		return failed != unix.EAGAIN
	})
	if err == nil && failed != nil {
		err = os.NewSyscallError("accept", failed)
	}
	return fd, from, err
}
