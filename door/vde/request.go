package vde

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// The layout of requests, in the byte order of the machine and without gaps
// (virtualsquare/vde-2, vde_switch/datasock.c): a magic number, and the version 3
// or, in version 1, the type. In version 3 the type follows, in version 1 a MAC
// address that means nothing. Then come the address and the description.
const (
	magic       = 0xfeedface
	addressLen  = unix.SizeofSockaddrUnix
	address3    = 12
	address1    = 14
	maxRequest  = 256 // bytes
	maxDescribe = 127 // bytes
)

// The low bits of a type; the others are the number of a port.
const (
	typeJoin  = 0
	typePort0 = 1 // the port of vde_switch's management
	typeBits  = 8
)

// request is what a client asks for.
type request struct {
	port        int // 0: any
	client      address
	description string // printable, at most maxDescribe bytes
}

// address is a struct sockaddr_un.
type address [addressLen]byte

// abstract tells whether a is a name in a network namespace, and no path.
func (a *address) abstract() bool { return a[2] == 0 }

// path returns the path that a is.
func (a *address) path() string {
	path, _, _ := bytes.Cut(a[2:], []byte{0})
	return string(path)
}

// errShort says that a request has not come whole.
var errShort = errors.New("the rest of the request is missing")

// parse reads a request, which may be the beginning of one.
func parse(b []byte) (r request, err error) {
	if len(b) >= 4 && binary.NativeEndian.Uint32(b) != magic {
		return r, fail.Errorf(fail.Invalid, "this is no request of VDE: it begins with %x", b[:4])
	}
	if len(b) < 8 {
		return r, errShort
	}
	kind, at := uint32(0), 0
	switch version := binary.NativeEndian.Uint32(b[4:]); version {
	case 3:
		if at = address3; len(b) >= at {
			kind = binary.NativeEndian.Uint32(b[8:])
		}
	case typeJoin, typePort0:
		kind, at = version, address1
	default:
		return r, fail.Errorf(fail.Invalid, "version %d of VDE's protocol: 1 and 3 are known here", version)
	}
	if len(b) < at+addressLen {
		return r, errShort
	}
	switch kind & (1<<typeBits - 1) {
	case typeJoin:
	case typePort0:
		return r, fail.Errorf(fail.Unsupported, "port 0 is the management of vde_switch, which has no use here: the files of the network are it")
	default:
		return r, fail.Errorf(fail.Invalid, "request of type %d: 0 is known here", kind&(1<<typeBits-1))
	}
	r.port = int(kind >> typeBits)
	r.client = address(b[at:])
	if family := binary.NativeEndian.Uint16(r.client[:]); family != unix.AF_UNIX {
		return r, fail.Errorf(fail.Invalid, "address of family %d: a client is to have a unix socket", family)
	}
	if len(bytes.Trim(r.client[2:], "\x00")) == 0 {
		return r, fail.Errorf(fail.Invalid, "the client tells no address of a socket of its own")
	}
	r.description = describe(b[at+addressLen:])
	return r, nil
}

// describe makes a description fit to be shown: what cannot be printed is a
// question mark. Some clients send what lies behind it in their memory.
func describe(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	b = b[:min(len(b), maxDescribe)]
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, string(b)))
}
