package vhost

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/lane"
)

// kind is what such a port is (bus.Info), and the name of the socket.
const kind = "vhost"

// pause is how long a front end may take from one request to the next before who
// waits for it to become a port waits no more: the guest may start much later.
const pause = time.Second

func init() {
	bus.RegisterFile(bus.File{
		Place:   bus.InNetwork,
		Name:    kind,
		Summary: "vhost-user-net: virtual machines with their rings in shared memory",
		Rule:    bus.ForPeers,
		Socket:  &bus.Socket{Serve: serve},
	})
}

// session is the connection of a front end.
type session struct {
	conn   *os.File
	reader *reader
	dev    *device
}

// serve is bus.Socket's. The front end is a port when it has asked for something, and
// it is waited for while it asks.
func serve(v *bus.Visitor) error {
	s := &session{conn: os.NewFile(uintptr(v.FD), kind)}
	var err error
	if s.reader, err = newReader(s.conn); err == nil {
		err = s.begin(v)
	}
	return err
}

// begin waits for the first request, and makes the port.
func (s *session) begin(v *bus.Visitor) error {
	m, err := s.hear(bus.Patience)
	if err != nil {
		s.reader.close()
		s.conn.Close()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fail.Errorf(fail.Invalid, "no request of vhost-user came within %v", bus.Patience)
		case left(err):
			err = fail.Errorf(fail.Gone, "the front end hung up before it asked for anything")
		}
		return err
	}
	e, err := s.join(v)
	if err != nil {
		m.close()
		s.conn.Close()
		return err
	}
	err = s.answer(m)
	for err == nil {
		if m, err = s.hear(pause); err == nil {
			err = s.answer(m)
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		go func() {
			if err := s.follow(); !left(err) {
				v.Tell(err)
			}
			s.end(e)
		}()
		return nil
	}
	s.end(e)
	if left(err) {
		return nil
	}
	return err
}

// left tells whether the front end has hung up, or was made to.
func left(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}

// join makes the front end a port.
func (s *session) join(v *bus.Visitor) (e *lane.Endpoint, err error) {
	if s.dev, err = newDevice(s.conn); err != nil {
		return nil, err
	}
	s.dev.mute, s.dev.mtu, s.dev.left = !v.Send, v.Network.MTU, v.Left
	s.dev.rx.report, s.dev.tx.report = v.Tell, v.Tell
	o := v.Join()
	o.Info.Kind, o.Offload = kind, true // what the guest does not take is cut by Write
	if e, err = lane.Start(v.Network, lane.Config{Sources: []lane.Source{s.dev.source()}}, o); err != nil {
		s.dev.close()
	}
	return e, err
}

// hear waits for a request.
func (s *session) hear(most time.Duration) (*message, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(most)); err != nil {
		return nil, err
	}
	return s.reader.next()
}

// follow serves requests until the connection ends.
func (s *session) follow() error {
	err := s.conn.SetReadDeadline(time.Time{})
	for err == nil {
		var m *message
		if m, err = s.reader.next(); err == nil {
			err = s.answer(m)
		}
	}
	return err
}

// answer serves a request.
func (s *session) answer(m *message) error {
	defer m.close()
	answer, err := s.dev.serve(m)
	if answer == nil {
		return err
	}
	if e := s.conn.SetWriteDeadline(time.Now().Add(bus.Patience)); err == nil {
		err = e
	}
	if e := reply(s.conn, m.request, answer); err == nil {
		err = e
	}
	return err
}

// end takes the port off the network, if it is there.
func (s *session) end(e *lane.Endpoint) {
	e.Close()
	s.reader.close()
}
