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
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
)

// Bounds of what a server may send: a line of its protocol, a message, and complaints,
// in the time of a connection.
const (
	maxLine       = 64 << 10
	maxMessage    = 8 << 20
	maxComplaints = 1000
)

var (
	errLine       = errors.New("the server sent a line of more than 64 KiB")
	errMessage    = errors.New("the server sent a message of more than 8 MiB")
	errComplaints = errors.New("the server complained too often")
)

// wire is the connection to a server below nats.go, and behind TLS, which is wire's own.
// It takes messages out of what the server sends, straight into blocks, and leaves nats.go
// the rest: that would make garbage of each message, and take memory for whatever a server
// announces.
type wire struct {
	net.Conn
	socket net.Conn // below TLS
	taker  taker

	buf        []byte // of maxLine; what is in it lies from first to last
	first      int
	last       int
	pass       []byte // of a line that is nats.go's, what it has not read yet
	complaints int
	head       [headerLen]byte // of a message that nobody wants
	subject    []byte          // of the message, as line does not stay
	most       int64           // bytes that the server takes in a message
}

// taker takes messages, on the goroutine of who reads the wire.
type taker interface {
	// block gets memory for a message of so many bytes to a subject, or nil: it is not
	// wanted.
	block(subject []byte, size int) *frame.Block
	// message hands over one, in its block. If there is none it is the beginning of one,
	// as long as a header at most, and size says how long it was.
	message(subject []byte, b *frame.Block, message []byte, size int)
}

var _ net.Conn = (*wire)(nil)

// Read is net.Conn's. It returns a line, or a part of one, when there is no message
// before it. One goroutine calls it at a time.
func (w *wire) Read(b []byte) (n int, err error) {
	for len(w.pass) == 0 {
		line, err := w.line()
		switch {
		case err != nil:
			return 0, err
		case announces(line):
			if err := w.message(line); err != nil {
				return 0, err
			}
			continue
		case line[0] == '-':
			if w.complaints++; w.complaints > maxComplaints {
				return 0, errComplaints
			}
		}
		w.pass = line
	}
	n = copy(b, w.pass)
	w.pass = w.pass[n:]
	return n, nil
}

// line takes the next line out of the buffer, its end included. It is valid until more
// is read.
func (w *wire) line() ([]byte, error) {
	for at := w.first; ; {
		if end := bytes.IndexByte(w.buf[at:w.last], '\n'); end >= 0 {
			line := w.buf[w.first : at+end+1]
			w.first = at + end + 1
			return line, nil
		}
		have := w.last - w.first
		if have == len(w.buf) {
			return nil, errLine
		}
		if err := w.fill(); err != nil {
			return nil, err
		}
		at = w.first + have
	}
}

// fill reads more into the buffer, which is not full.
func (w *wire) fill() error {
	if w.first > 0 {
		w.last = copy(w.buf, w.buf[w.first:w.last])
		w.first = 0
	}
	n, err := w.Conn.Read(w.buf[w.last:])
	w.last += n
	if n > 0 {
		return nil
	}
	return err
}

// announces tells whether a line announces a message: MSG SUBJECT SID [REPLY] SIZE, or
// HMSG, one with headers.
func announces(line []byte) bool {
	if len(line) > 0 && line[0]|0x20 == 'h' {
		line = line[1:]
	}
	return len(line) > 3 && line[0]|0x20 == 'm' && line[1]|0x20 == 's' && line[2]|0x20 == 'g'
}

// message takes the message that a line announces.
func (w *wire) message(line []byte) error {
	text := bytes.TrimRight(line, " \t\r\n")
	size, err := strconv.Atoi(string(text[bytes.LastIndexAny(text, " \t")+1:]))
	if err != nil || size < 0 || size > maxMessage {
		return errMessage
	}
	subject := w.subject[:0]
	if i := bytes.IndexByte(text, ' '); line[0]|0x20 == 'm' && i >= 0 { // what has headers is none of ours
		text = text[i+1:]
		if i = bytes.IndexByte(text, ' '); i >= 0 {
			subject = append(subject, text[:i]...)
		}
	}
	w.subject = subject
	b := w.taker.block(subject, size)
	message := w.head[:min(size, len(w.head))]
	if b != nil {
		message = b.Bytes(size)
	}
	if err := w.full(message); err == nil {
		err = w.discard(size - len(message))
	}
	if err == nil {
		_, err = w.line() // its end
	}
	if err != nil {
		if b != nil {
			b.Release()
		}
		return err
	}
	w.taker.message(subject, b, message, size)
	return nil
}

// full reads as many bytes as dst has.
func (w *wire) full(dst []byte) error {
	for {
		n := copy(dst, w.buf[w.first:w.last])
		w.first += n
		dst = dst[n:]
		switch {
		case len(dst) == 0:
			return nil
		case len(dst) >= len(w.buf)/2:
			n, err := w.Conn.Read(dst)
			if dst = dst[n:]; n == 0 && err != nil {
				return err
			}
		default:
			if err := w.fill(); err != nil {
				return err
			}
		}
	}
}

// discard reads so many bytes, for nobody.
func (w *wire) discard(n int) error {
	for {
		skip := min(n, w.last-w.first)
		w.first += skip
		if n -= skip; n == 0 {
			return nil
		}
		if err := w.fill(); err != nil {
			return err
		}
	}
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
func greet(ctx context.Context, conn net.Conn, secure *tls.Config, required bool, t taker) (*wire, error) {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	w, err := hear(ctx, conn, secure, required)
	if err != nil {
		conn.Close()
		return nil, err
	}
	w.taker = t
	return w, nil
}

func hear(ctx context.Context, conn net.Conn, secure *tls.Config, required bool) (*wire, error) {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	in := bufio.NewReaderSize(io.LimitReader(conn, maxLine), 4<<10)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	var g greeting
	if !ok || json.Unmarshal(text, &g) != nil {
		return nil, fail.Errorf(fail.Invalid, "what answers is no NATS server")
	}
	w := &wire{Conn: conn, socket: conn, buf: make([]byte, maxLine), most: g.MaxPayload}
	w.last = copy(w.buf, line)
	early, _ := in.Read(w.buf[w.last : w.last+in.Buffered()])
	w.last += early
	if required && !g.TLSRequired && !g.TLSAvailable {
		return nil, fail.Errorf(fail.Denied, "the server does not speak TLS")
	}
	if required || g.TLSRequired {
		if early > 0 {
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
