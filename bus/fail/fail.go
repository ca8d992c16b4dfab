// Package fail is how ipnfs refuses: an error has a kind for programs and a reason
// for people. It imports nothing of ipnfs, as all packages refuse.
package fail

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Kind classes an error by what the caller may do about it. A file system
// gives each kind one errno (interface contract, section 6).
type Kind uint8

// The kinds, each with the errno that a file system answers.
const (
	Invalid     Kind = iota + 1 // EINVAL: a word or value that makes no sense
	Unknown                     // ENOENT: no such name
	Busy                        // EBUSY: in use now
	Exists                      // EEXIST: the name is taken
	InUse                       // EADDRINUSE: a port number above the wish is in use
	NoPort                      // EUSERS: no free port number
	NoSpace                     // ENOSPC: a limit of the mount is reached
	Range                       // ERANGE: a value outside its limits
	NameTooLong                 // ENAMETOOLONG
	Denied                      // EPERM: nobody, or not this caller, may
	Gone                        // ENODEV: the network or port has ended
	TooLong                     // EMSGSIZE: a frame over the mtu
	NoMemory                    // ENOBUFS: the mount's cap on queued bytes
	Unsupported                 // EOPNOTSUPP: not in this build, kernel or network
)

// Error is a refusal: a kind for programs and a reason for people, which says
// what was wrong and, where it can, what would be right.
type Error struct {
	Kind Kind
	Text string
}

func (e *Error) Error() string { return e.Text }

// Errorf makes an Error of the kind.
func Errorf(kind Kind, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of err, or 0 if it is no Error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// Quote makes a value fit for a reason, and for a key=value pair: as it is if it
// has neither white space nor quotes nor control characters, else in Go's quotes.
func Quote(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || r == '\\' || unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
