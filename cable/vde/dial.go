package vde

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/lane/vdeplug"
)

// maxSwitched is the longest frame in bytes that a vde_switch takes: of a longer one it
// passes on that much.
const maxSwitched = 1518

// Dial is cable.Dialer's.
func (d *dialer) Dial(ctx context.Context, p *cable.Plug) (*cable.Link, error) {
	o := p.Origin()
	fd, err := o.DialUnix(d.dir+"/ctl", unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	control := os.NewFile(uintptr(fd), "ctl")
	data, err := o.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		control.Close()
		return nil, err
	}
	k := &cable.Link{Peer: d.dir}
	if k.MaxLen, err = vdeplug.MakeRoom(data); err == nil {
		err = d.join(ctx, o, control, data, k)
	}
	if err != nil {
		control.Close()
		_ = unix.Close(data)
		return nil, err
	}
	datagrams := &vdeplug.Datagrams{FD: data, Closed: func() { control.Close() }}
	k.Source = datagrams.Source()
	go follow(p, k, control)
	return k, nil
}

// join asks for a port and connects data to what the switch has made for it.
func (d *dialer) join(ctx context.Context, o *cable.Origin, control *os.File, data int, k *cable.Link) error {
	r := vdeplug.Request{Port: d.port, Client: *vdeplug.NewName(), Description: "ipnfs"}
	if err := r.Client.Bind(data); err != nil {
		return os.NewSyscallError("bind", err)
	}
	answer, err := ask(ctx, control, &r)
	if err != nil {
		return err
	}
	if !answer.Abstract() { // as ipnfs's is
		k.Peer, k.MaxLen = answer.Path(), min(k.MaxLen, maxSwitched)
	}
	if err := o.MeetUnix(data, answer.Path(), answer.Connect); err != nil {
		return err
	}
	drain(data)
	return nil
}

// ask sends a request and waits for the answer, for bus.Patience at most.
func ask(ctx context.Context, control *os.File, r *vdeplug.Request) (*vdeplug.Address, error) {
	if err := control.SetDeadline(time.Now().Add(bus.Patience)); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = control.SetDeadline(time.Unix(1, 0)) })()
	if _, err := control.Write(r.Append(nil)); err != nil {
		return nil, err
	}
	answer := new(vdeplug.Address)
	n, err := io.ReadFull(control, answer[:])
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fail.Errorf(fail.Gone, "no answer came within %v: %d bytes of %d did", bus.Patience, n, vdeplug.AddressLen)
	case err != nil:
		return nil, fail.Errorf(fail.Denied, "the switch refuses, as it does without a reason: the port may be taken or not allowed, or the switch is in another network namespace")
	}
	if err := answer.Check(); err != nil {
		return nil, fail.Errorf(fail.Invalid, "the answer of the switch: %v", err)
	}
	return answer, control.SetDeadline(time.Time{})
}

// drain takes out of a socket what others have sent to it before it was connected,
// which leaves them little: the queue of a socket is short (net.unix.max_dgram_qlen).
func drain(fd int) {
	for range 1000 {
		if _, _, err := unix.Recvfrom(fd, nil, unix.MSG_DONTWAIT); err != nil && err != unix.EINTR {
			return
		}
	}
}

// follow ends the link when the switch hangs up. It has nothing more to say.
func follow(p *cable.Plug, k *cable.Link, control *os.File) {
	var said [1]byte
	_, err := control.Read(said[:])
	if err == nil {
		err = fail.Errorf(fail.Invalid, "the switch said more than an answer")
	}
	p.Broken(k, err)
}
