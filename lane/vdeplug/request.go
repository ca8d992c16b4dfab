package vdeplug

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"unicode"

	"ipnfs/bus/fail"
)

// The layout of requests, in the byte order of the machine and without gaps
// (virtualsquare/vde-2, vde_switch/datasock.c): a magic number, and the version 3
// or, in version 1, the type. In version 3 the type follows, in version 1 a MAC
// address that means nothing. Then come the address and the description.
const (
	magic       = 0xfeedface
	address3    = 12
	address1    = 14
	maxDescribe = 127 // bytes
)

// MaxRequest is the length in bytes of the longest request.
const MaxRequest = 256

// AnyPort is what a client asks for who leaves his port to the switch.
const AnyPort = 0

// MaxPort is the highest port that a request can ask for.
const MaxPort = 1<<(32-typeBits) - 1

// The low bits of a type; the others are the number of a port.
const (
	typeJoin  = 0
	typePort0 = 1 // the port of vde_switch's management
	typeBits  = 8
)

// Request is what a client asks for.
type Request struct {
	Port        int // or AnyPort
	Client      Address
	Description string // printable, 127 bytes at most
}

// Append appends r in version 3 to b.
func (r *Request) Append(b []byte) []byte {
	for _, word := range []uint32{magic, 3, uint32(r.Port)<<typeBits | typeJoin} {
		b = binary.NativeEndian.AppendUint32(b, word)
	}
	return append(append(b, r.Client[:]...), r.Description...)
}

// ErrShort says that a request has not come whole.
var ErrShort = errors.New("the rest of the request is missing")

// Parse reads a request of version 1 or 3, which may be the beginning of one.
func Parse(b []byte) (r Request, err error) {
	if len(b) >= 4 && binary.NativeEndian.Uint32(b) != magic {
		return r, fail.Errorf(fail.Invalid, "this is no request of VDE: it begins with %x", b[:4])
	}
	if len(b) < 8 {
		return r, ErrShort
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
	if len(b) < at+AddressLen {
		return r, ErrShort
	}
	switch kind & (1<<typeBits - 1) {
	case typeJoin:
	case typePort0:
		return r, fail.Errorf(fail.Unsupported, "port 0 is the management of vde_switch, which has no use here: the files of the network are it")
	default:
		return r, fail.Errorf(fail.Invalid, "request of type %d: 0 is known here", kind&(1<<typeBits-1))
	}
	r.Port = int(kind >> typeBits)
	r.Client = Address(b[at:])
	if err := r.Client.Check(); err != nil {
		return r, err
	}
	r.Description = describe(b[at+AddressLen:])
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
