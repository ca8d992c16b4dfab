package nats

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// wire is the connection to a server, as nats.go reads and writes it: behind TLS, which
// is wire's own, so that it sees what nats.go does.
type wire struct {
	net.Conn
	socket  net.Conn // below TLS
	scanner scanner
	early   []byte // what the server has said already
	// arrived takes what nats.go made of the last Read.
	arrived func()
}

var _ net.Conn = (*wire)(nil)

// Read is net.Conn's. nats.go calls it on one goroutine, when it has done with what the
// last one read: so no message waits but those of one Read.
func (w *wire) Read(b []byte) (n int, err error) {
	w.arrived()
	if len(w.early) > 0 {
		n = copy(b, w.early)
		w.early = w.early[n:]
	} else if n, err = w.Conn.Read(b); err != nil {
		return n, err
	}
	return n, w.scanner.scan(b[:n])
}

// Write is net.Conn's.
func (w *wire) Write(b []byte) (n int, err error) {
	n, err = w.Conn.Write(b)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		err = w.lastWords(err)
	}
	return n, err
}

// lastWords is why the other end hung up, if it said so before: what a server thinks of
// a certificate comes when it was sent (RFC 8446, 4.4.2.4).
func (w *wire) lastWords(err error) error {
	_ = w.Conn.SetReadDeadline(time.Now().Add(time.Second))
	var alert *net.OpError
	if _, said := w.Conn.Read(make([]byte, 1)); errors.As(said, &alert) && alert.Op == "remote error" {
		return said
	}
	return err
}

// greeting is what wire looks at of a server's INFO.
type greeting struct {
	TLSRequired  bool  `json:"tls_required"`
	TLSAvailable bool  `json:"tls_available"`
	MaxPayload   int64 `json:"max_payload"`
}

// greet hears what a server says first, and speaks TLS with it if it wants to, or secure
// does. conn is closed if that fails, and when ctx ends.
func greet(ctx context.Context, conn net.Conn, secure *tls.Config, required bool, arrived func()) (*wire, error) {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	w, err := hear(ctx, conn, secure, required)
	if err != nil {
		conn.Close()
		return nil, err
	}
	w.arrived = arrived
	return w, nil
}

func hear(ctx context.Context, conn net.Conn, secure *tls.Config, required bool) (*wire, error) {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	in := bufio.NewReader(io.LimitReader(conn, maxLine))
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	var g greeting
	if !ok || json.Unmarshal(text, &g) != nil {
		return nil, fail.Errorf(fail.Invalid, "what answers is no NATS server")
	}
	early := make([]byte, in.Buffered())
	_, _ = in.Read(early)
	w := &wire{Conn: conn, socket: conn, early: append(line, early...)}
	if required && !g.TLSRequired && !g.TLSAvailable {
		return nil, fail.Errorf(fail.Denied, "the server does not speak TLS")
	}
	if required || g.TLSRequired {
		if len(early) > 0 {
			return nil, fail.Errorf(fail.Denied, "the server went on in clear text")
		}
		secured := tls.Client(conn, secure)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, fail.Errorf(fail.Denied, "%v", err)
		}
		w.Conn = secured
	}
	return w, nil
}

// impatient has the kernel give up a connection whose other end does not take what is
// sent: TCP_USER_TIMEOUT (RFC 5482).
func impatient(conn net.Conn, after time.Duration) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.New("no TCP connection")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(after.Milliseconds()))
	})
	return errors.Join(failed, err)
}

// single is a nats.CustomDialer that has one connection to give.
type single struct{ conn net.Conn }

// Dial is nats.CustomDialer's.
func (s *single) Dial(string, string) (net.Conn, error) {
	conn := s.conn
	if s.conn = nil; conn == nil {
		return nil, net.ErrClosed
	}
	return conn, nil
}

// SkipTLSHandshake tells nats.go that the connection needs no TLS any more.
func (*single) SkipTLSHandshake() bool { return true }
