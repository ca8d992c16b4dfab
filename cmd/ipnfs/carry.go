package main

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	prefix    = 2                       // bytes of a length in front of a frame
	maxStream = prefix + math.MaxUint16 // the longest frame of a stream, with its length
	maxFrame  = 1044480                 // the longest frame of a port
	endTime   = time.Second             // a signal leaves what is on its way so long
)

// door is a port in stream form, as NET/stream is: Read returns whole frames,
// each behind its length, and Write takes such. A Write stops in front of a
// frame that the network refuses, and fails if that is the first.
type door interface {
	io.ReadWriter
	syscall.Conn
	SetReadDeadline(time.Time) error
}

var _ door = (*os.File)(nil)

// plug carries frames between a door and two descriptors that hold a stream, in
// two goroutines with a buffer each. So who does not read holds up one
// direction, and no memory grows. The descriptors may be non-blocking or not,
// since others have them too.
type plug struct {
	in, out int
	door    door
	rights  rights
	refused skips
}

// errGone is the end of the network, the port or the daemon.
var errGone = &failure{exitEnded, errors.New("the network or the port has ended")}

// run carries until one side ends or a signal comes. What was read by then is
// written, and so is what standard input holds if the other side ended.
func (p *plug) run(ends <-chan os.Signal) error {
	var wake [2]int
	err := unix.Pipe2(wake[:], unix.O_CLOEXEC)
	if err != nil {
		return failf(exitSystem, "%w", err)
	}
	stop := sync.OnceFunc(func() { // closed, it wakes both
		unix.Close(wake[1])
		_ = p.door.SetReadDeadline(time.Unix(1, 0))
	})
	defer stop()
	over := make(chan error, 2)
	go func() { over <- p.carryIn(wake[0]) }()
	go func() { over <- p.carryOut(wake[0]) }()
	var timeout <-chan time.Time
	for left := 2; left > 0; {
		select {
		case e := <-over:
			err = cmp.Or(err, e)
			left--
		case <-ends:
			timeout = time.After(endTime)
		case <-timeout: // the process ends, and what waits with it
			return nil
		}
		stop()
	}
	unix.Close(wake[0])
	return err
}

// carryIn sends what comes from p.in until its end, or until wake is closed and
// nothing more is there.
func (p *plug) carryIn(wake int) error {
	buf := make([]byte, 2*maxStream)
	have := 0
	for await(p.in, unix.POLLIN, wake) {
		n, err := unix.Read(p.in, buf[have:])
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil:
			return failf(exitSystem, "standard input: %w", err)
		case n == 0 && have > 0:
			return failf(exitSystem, "standard input ends within a frame")
		case n == 0:
			return nil
		}
		have += n
		whole := wholeFrames(buf[:have])
		if p.rights&maySend != 0 {
			if err := p.send(buf[:whole]); err != nil {
				return err
			}
		}
		have = copy(buf, buf[whole:have])
	}
	return nil
}

// wholeFrames is how many bytes of data are whole frames.
func wholeFrames(data []byte) int {
	end := 0
	for end+prefix <= len(data) {
		next := end + frameLen(data[end:])
		if next > len(data) {
			break
		}
		end = next
	}
	return end
}

// frameLen is the length of the first frame in data with its prefix.
func frameLen(data []byte) int { return prefix + int(binary.BigEndian.Uint16(data)) }

// send gives whole frames to the network, but those that it refuses.
func (p *plug) send(data []byte) error {
	for len(data) > 0 {
		n, err := p.door.Write(data)
		data = data[n:]
		switch {
		case err == nil:
		case errors.Is(err, unix.EMSGSIZE), errors.Is(err, unix.ENOBUFS):
			n = frameLen(data)
			p.refused.tell(n-prefix, err)
			data = data[n:]
		default:
			return p.ofDoor(err)
		}
	}
	return nil
}

// skips counts frames that cannot be carried.
type skips struct {
	log io.Writer
	n   int
}

// tell counts one, and tells of the 1st, the 2nd, the 4th and so on: a flood of
// frames makes no flood of lines.
func (s *skips) tell(size int, err error) {
	s.n++
	if s.n&(s.n-1) == 0 {
		var why unix.Errno
		errors.As(err, &why)
		fmt.Fprintf(s.log, "ipnfs: frames skipped: %d, the last of %d bytes: %v\n", s.n, size, why)
	}
}

// carryOut writes what the network brings to p.out, until somebody stops it.
func (p *plug) carryOut(wake int) error {
	if p.rights&mayReceive == 0 {
		return p.watch(wake)
	}
	buf := make([]byte, maxStream)
	for {
		n, err := p.door.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return p.ofDoor(err)
		}
		switch err := writeAll(p.out, buf[:n]); {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET): // its reader has ended
			return nil
		case err != nil:
			return failf(exitSystem, "standard output: %w", err)
		}
	}
}

// watch waits for the end of a door that cannot be read.
func (p *plug) watch(wake int) error {
	conn, err := p.door.SyscallConn()
	if err == nil {
		gone := false
		if err = conn.Control(func(fd uintptr) { gone = await(int(fd), 0, wake) }); gone {
			return errGone
		}
	}
	return err
}

// ofDoor is what an error of the door means.
func (p *plug) ofDoor(err error) error {
	for _, end := range []error{io.EOF, unix.ECONNRESET, unix.ECONNABORTED, unix.ENOTCONN, unix.ENODEV} {
		if errors.Is(err, end) {
			return errGone
		}
	}
	return failf(exitSystem, "%w", err)
}

// await waits until something happens to fd, which may be its end, and returns
// true; or until wake is closed and nothing has, and returns false.
func await(fd int, events int16, wake int) bool {
	list := []unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: int32(wake)}}
	for {
		if n, err := unix.Poll(list, -1); n > 0 || err != unix.EINTR {
			return list[0].Revents != 0
		}
	}
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		switch n, err := unix.Write(fd, data); err {
		case nil:
			data = data[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			await(fd, unix.POLLOUT, -1)
		default:
			return err
		}
	}
	return nil
}

// framed is a door of which each read and write is one frame, as ports/N/port
// is, in stream form.
type framed struct {
	*os.File
	frame []byte // one that was read: each that can come fits
	long  skips  // frames that a stream cannot carry
}

var _ door = (*framed)(nil)

func (f *framed) Read(buf []byte) (int, error) {
	for {
		n, err := f.File.Read(f.frame)
		if err != nil {
			return 0, err
		}
		if n <= math.MaxUint16 {
			binary.BigEndian.PutUint16(buf, uint16(n))
			return prefix + copy(buf[prefix:], f.frame[:n]), nil
		}
		f.long.tell(n, unix.EMSGSIZE)
	}
}

func (f *framed) Write(data []byte) (int, error) {
	done := 0
	for done < len(data) {
		next := done + frameLen(data[done:])
		if next > done+prefix { // else it has no bytes, and the door sends none
			if _, err := f.File.Write(data[done+prefix : next]); err != nil {
				return done, err
			}
		}
		done = next
	}
	return done, nil
}
