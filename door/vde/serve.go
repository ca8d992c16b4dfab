package vde

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/lane"
	"ipnfs/lane/vdeplug"
)

// kind is what such a port is (bus.Info).
const kind = "vde"

func init() {
	bus.RegisterFile(bus.File{
		Place:   bus.InNetwork,
		Name:    "ctl",
		Summary: "the control socket of a VDE switch: vde_plug, QEMU and others take the directory for one",
		Rule:    bus.ForPeers,
		Socket:  &bus.Socket{Serve: serve},
	})
}

// serve is bus.Socket's.
func serve(v *bus.Visitor) error {
	control := os.NewFile(uintptr(v.FD), "ctl")
	r, err := hear(control)
	if err == nil {
		err = join(v, control, &r)
	}
	if err != nil {
		control.Close()
	}
	return err
}

// hear waits for a request. What comes behind it in the same message is its
// description.
func hear(control *os.File) (r vdeplug.Request, err error) {
	if err := control.SetReadDeadline(time.Now().Add(bus.Patience)); err != nil {
		return r, err
	}
	said := make([]byte, 0, vdeplug.MaxRequest)
	for {
		n, err := control.Read(said[len(said):cap(said)])
		said = said[:len(said)+n]
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return r, fail.Errorf(fail.Invalid, "no request came within %v: %d bytes did", bus.Patience, len(said))
		case err == io.EOF:
			return r, fail.Errorf(fail.Invalid, "the client hung up after %d bytes, which are no request", len(said))
		case err != nil:
			return r, fail.Errorf(fail.Gone, "the client hung up: %v", err)
		}
		if r, err = vdeplug.Parse(said); err == nil {
			return r, control.SetReadDeadline(time.Time{})
		}
		if err != vdeplug.ErrShort {
			return r, err
		}
	}
}

// join makes v a port, and answers. It owns control if it succeeds.
func join(v *bus.Visitor, control *os.File, r *vdeplug.Request) error {
	fd, answer, err := meet(v, &r.Client)
	if err != nil {
		return err
	}
	o := v.Join()
	o.Number, o.Make = r.Port, r.Port != vdeplug.AnyPort
	o.Info.Kind, o.Info.Detail = kind, r.Description
	if o.MaxLen, err = vdeplug.MakeRoom(fd); err == nil {
		var e *lane.Endpoint
		d := &vdeplug.Datagrams{FD: fd, Mute: !v.Send, Closed: func() {
			control.Close()
			v.Left()
		}}
		if e, err = lane.Start(v.Network, lane.Config{Sources: []lane.Source{d.Source()}}, o); err == nil {
			go follow(e, control)
			_, _ = control.Write(answer[:]) // who has hung up has ended the port
			return nil
		}
	}
	unix.Close(fd)
	return err
}

// follow ends e when its client hangs up. What else he says means nothing. If e has
// ended otherwise, control is closed.
func follow(e *lane.Endpoint, control *os.File) {
	var said [64]byte
	for {
		if _, err := control.Read(said[:]); err != nil {
			break
		}
	}
	e.Close()
}
