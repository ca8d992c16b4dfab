package nats

import (
	"bytes"
	"errors"
	"strconv"
)

// Bounds of what a server may send: a line of its protocol, one that announces a
// message, a message, and complaints, in the time of a connection. nats.go takes any.
const (
	maxLine       = 64 << 10
	maxMessageArg = 8 << 10
	maxMessage    = 8 << 20
	maxComplaints = 1000
)

var (
	errLine       = errors.New("the server sent a line of more than 64 KiB")
	errMessage    = errors.New("the server sent a message of more than 8 MiB")
	errComplaints = errors.New("the server complained too often")
)

// scanner follows what a server sends, and finds what would take too much memory before
// memory is taken for it.
type scanner struct {
	line       []byte // the beginning of a line that is cut, maxMessageArg at most
	cut        int    // its bytes so far
	skip       int    // bytes of a message that are to come
	tail       bool   // then comes what is left of its line
	complaints int
}

// scan looks at more of the stream.
func (s *scanner) scan(b []byte) error {
	for {
		n := min(s.skip, len(b))
		s.skip -= n
		b = b[n:]
		if len(b) == 0 {
			return nil
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return s.keep(b)
		}
		line := b[:end]
		b = b[end+1:]
		if s.cut > 0 {
			if err := s.keep(line); err != nil {
				return err
			}
			line, s.line, s.cut = s.line, s.line[:0], 0
		}
		if s.tail {
			s.tail = false
		} else if err := s.look(line); err != nil {
			return err
		}
	}
}

// keep keeps a part of a line.
func (s *scanner) keep(b []byte) error {
	s.cut += len(b)
	s.line = append(s.line, b[:min(len(b), maxMessageArg-len(s.line))]...)
	if s.cut > maxLine || s.cut > maxMessageArg && announces(s.line) {
		return errLine
	}
	return nil
}

// look looks at a line.
func (s *scanner) look(line []byte) error {
	switch {
	case announces(line): // the last word is a size
		line = bytes.TrimRight(line, " \t\r")
		n, err := strconv.Atoi(string(line[bytes.LastIndexAny(line, " \t")+1:]))
		if err != nil || n < 0 || n > maxMessage {
			return errMessage
		}
		s.skip, s.tail = n, true
	case len(line) > 0 && line[0] == '-':
		if s.complaints++; s.complaints > maxComplaints {
			return errComplaints
		}
	}
	return nil
}

// announces tells whether a line announces a message: it is MSG or HMSG.
func announces(line []byte) bool {
	if len(line) > 0 && line[0]|0x20 == 'h' {
		line = line[1:]
	}
	return len(line) >= 3 && line[0]|0x20 == 'm' && line[1]|0x20 == 's' && line[2]|0x20 == 'g'
}
