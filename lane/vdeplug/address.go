package vdeplug

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// AddressLen is the length in bytes of an Address, which is all of an answer.
const AddressLen = unix.SizeofSockaddrUnix

// Address is a struct sockaddr_un, of its whole length: what an abstract name has no
// bytes for is zeros, which are part of the name.
type Address [AddressLen]byte

// AddressOf is that of a path, or of an abstract name that begins with a zero byte. It
// is cut to what fits.
func AddressOf(name string) *Address {
	a := new(Address)
	binary.NativeEndian.PutUint16(a[:], unix.AF_UNIX)
	copy(a[2:], name)
	return a
}

// NewName returns an abstract address that nobody can have taken before.
func NewName() *Address { return AddressOf("\x00ipnfs/vde/" + rand.Text()) }

// Check refuses what is no address of a unix socket.
func (a *Address) Check() error {
	if family := binary.NativeEndian.Uint16(a[:]); family != unix.AF_UNIX {
		return fail.Errorf(fail.Invalid, "address of family %d: a unix socket is needed", family)
	}
	if len(bytes.Trim(a[2:], "\x00")) == 0 {
		return fail.Errorf(fail.Invalid, "it is no address of a socket")
	}
	return nil
}

// Abstract tells whether a is a name in a network namespace, and no path.
func (a *Address) Abstract() bool { return a[2] == 0 }

// Path returns the path that a is, or nothing.
func (a *Address) Path() string {
	path, _, _ := bytes.Cut(a[2:], []byte{0})
	return string(path)
}

// String shows a to people.
func (a *Address) String() string {
	if a.Abstract() {
		return fail.Quote("@" + strings.TrimRight(string(a[3:]), "\x00"))
	}
	return fail.Quote(a.Path())
}

// Bind gives a socket the address.
func (a *Address) Bind(fd int) error { return a.call(unix.SYS_BIND, fd) }

// Connect connects a socket to the address.
func (a *Address) Connect(fd int) error { return a.call(unix.SYS_CONNECT, fd) }

// call makes a system call of a socket and an address. Package unix has none for
// abstract names of the whole length.
func (a *Address) call(number uintptr, fd int) error {
	if _, _, errno := unix.Syscall(number, uintptr(fd), uintptr(unsafe.Pointer(a)), AddressLen); errno != 0 {
		return errno
	}
	return nil
}
