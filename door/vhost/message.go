package vhost

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// Sizes in bytes. A message is a header and a body; its longest body tells of
// maxRegions regions.
const (
	headerLen = 12
	regionLen = 32
	maxBody   = 8 + maxRegions*regionLen
)

// maxRegions is how many regions a SET_MEM_TABLE tells of, and how many descriptors
// a message brings.
const maxRegions = 8

// Flags of a header.
const (
	versionMask = 3
	version     = 1
	flagReply   = 1 << 2
	flagNeedAck = 1 << 3
)

// message is what the front end said.
type message struct {
	request uint32
	needAck bool
	body    []byte // the reader's, until the next message
	fds     []int  // owned by the message: take, or close
}

// take gives the i-th descriptor away.
func (m *message) take(i int) (fd int) {
	fd, m.fds[i] = m.fds[i], -1
	return fd
}

// close closes the descriptors that nobody took.
func (m *message) close() {
	closeAll(m.fds)
	m.fds = nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (m *message) u32(at int) uint32 { return binary.NativeEndian.Uint32(m.body[at:]) }
func (m *message) u64(at int) uint64 { return binary.NativeEndian.Uint64(m.body[at:]) }

// reader reads messages. What came of one is kept when its deadline passes.
type reader struct {
	conn *os.File
	raw  syscall.RawConn
	buf  [headerLen + maxBody]byte
	n    int   // bytes of the next message that came
	fds  []int // and its descriptors
	oob  [256]byte
}

func newReader(conn *os.File) (*reader, error) {
	raw, err := conn.SyscallConn()
	return &reader{conn: conn, raw: raw}, err
}

// close closes the descriptors of a message that did not come whole.
func (r *reader) close() {
	closeAll(r.fds)
	r.fds = nil
}

// next waits for the next message. The caller closes it.
func (r *reader) next() (m *message, err error) {
	want := headerLen
	for {
		if r.n >= headerLen {
			size, err := r.check()
			if err != nil {
				return nil, err
			}
			want = headerLen + size
		}
		if r.n == want {
			break
		}
		if err := r.more(want); err != nil {
			return nil, err
		}
	}
	head := func(at int) uint32 { return binary.NativeEndian.Uint32(r.buf[at:]) }
	m = &message{request: head(0), needAck: head(4)&flagNeedAck != 0, body: r.buf[headerLen:want], fds: r.fds}
	r.n, r.fds = 0, nil
	return m, nil
}

// check checks a header that came whole, and tells how long the body is.
func (r *reader) check() (size int, err error) {
	flags, bytes := binary.NativeEndian.Uint32(r.buf[4:]), binary.NativeEndian.Uint32(r.buf[8:])
	switch {
	case flags&versionMask != version:
		return 0, fail.Errorf(fail.Invalid, "version %d of the protocol: version %d is spoken here, and by vhost-user", flags&versionMask, version)
	case flags&flagReply != 0:
		return 0, fail.Errorf(fail.Invalid, "a reply came, where requests come")
	case bytes > maxBody:
		return 0, fail.Errorf(fail.Invalid, "a message of %d bytes: %d are the most", bytes, maxBody)
	}
	return int(bytes), nil
}

// more receives some of the bytes up to the first want, and the descriptors that
// come with them.
func (r *reader) more(want int) error {
	var n, oobn, flags int
	var err error
	if e := r.raw.Read(func(fd uintptr) bool {
		n, oobn, flags, _, err = unix.Recvmsg(int(fd), r.buf[r.n:want], r.oob[:], unix.MSG_CMSG_CLOEXEC)
		return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	}); e != nil {
		return e
	}
	if err != nil {
		return os.NewSyscallError("recvmsg", err)
	}
	if messages, err := unix.ParseSocketControlMessage(r.oob[:oobn]); err == nil {
		for i := range messages {
			if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
				r.fds = append(r.fds, fds...)
			}
		}
	}
	r.n += n
	switch {
	case flags&unix.MSG_CTRUNC != 0:
		return fail.Errorf(fail.NoSpace, "a message comes with more descriptors than there is room for")
	case len(r.fds) > maxRegions:
		return fail.Errorf(fail.Invalid, "a message comes with %d descriptors: %d are the most", len(r.fds), maxRegions)
	case n == 0:
		return io.EOF
	}
	return nil
}

// reply answers a request.
func reply(conn io.Writer, request uint32, body []byte) error {
	b := make([]byte, 0, headerLen+len(body))
	b = binary.NativeEndian.AppendUint32(b, request)
	b = binary.NativeEndian.AppendUint32(b, version|flagReply)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(body)))
	_, err := conn.Write(append(b, body...))
	return err
}

// u64 is a body of one number.
func u64(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }
