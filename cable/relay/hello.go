package relay

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/cable"
)

// A hello is, in network byte order: 8 bytes that are the same always, the version in 1,
// the longest frame that its sender takes in 4, the ID of its network in 16, the length
// of that one's name in 1, and the name. Each end sends one, and a byte in answer to the
// other's: a verdict. Then frames come.
const (
	magic   = "\x89ipnfs\r\n"
	version = 1
	maxName = 127
	fixed   = len(magic) + 1 + 4 + len(cable.ID{}) + 1
)

// Verdicts.
const (
	welcome = iota
	refused
)

// Hello is what an end says of itself.
type Hello struct {
	MTU  int // the longest frame in bytes that it takes
	ID   cable.ID
	Name string // of its network, for people
}

var errStranger = errors.New("the other end is no cable of this kind")

// append adds the hello to b as it is sent.
func (h *Hello) append(b []byte) []byte {
	name := h.Name[:min(len(h.Name), maxName)]
	b = append(append(b, magic...), version)
	b = binary.BigEndian.AppendUint32(b, uint32(h.MTU))
	b = append(append(b, h.ID[:]...), byte(len(name)))
	return append(b, name...)
}

// readHello reads one. What it tells is the peer's word.
func readHello(r io.Reader) (h Hello, err error) {
	b := make([]byte, fixed+maxName)
	if _, err := io.ReadFull(r, b[:fixed]); err != nil {
		return h, err
	}
	rest, ok := bytes.CutPrefix(b[:fixed], []byte(magic))
	if !ok {
		return h, errStranger
	}
	if rest[0] != version {
		return h, fmt.Errorf("the other end speaks version %d of this protocol, and this one %d", rest[0], version)
	}
	h.MTU = int(binary.BigEndian.Uint32(rest[1:]))
	copy(h.ID[:], rest[5:])
	length := int(rest[5+len(h.ID)])
	if h.MTU < frame.MinMTU || h.MTU > frame.MaxFrame || length > maxName {
		return h, errStranger
	}
	name := b[fixed : fixed+length]
	if _, err := io.ReadFull(r, name); err != nil {
		return h, err
	}
	h.Name = strings.ToValidUTF8(string(name), "?")
	return h, nil
}

// Greet says hello to the other end, hears his, and claims his network for the cable. The
// caller bounds how long that takes, and closes conn if it fails.
func Greet(conn io.ReadWriter, p *cable.Plug) (Hello, error) {
	own := Hello{MTU: p.Network().MTU(), ID: p.ID(), Name: p.Network().Name()}
	return greet(conn, own, p.Claim)
}

func greet(conn io.ReadWriter, own Hello, claim func(cable.ID) error) (Hello, error) {
	if _, err := conn.Write(own.append(nil)); err != nil {
		return Hello{}, err
	}
	h, err := readHello(conn)
	if err != nil {
		return h, err
	}
	no := claim(h.ID)
	verdict := []byte{welcome}
	if no != nil {
		verdict[0] = refused
	}
	if _, err := conn.Write(verdict); err != nil || no != nil {
		return h, cmp.Or(no, err)
	}
	if _, err := io.ReadFull(conn, verdict); err != nil {
		return h, err
	}
	if verdict[0] != welcome {
		return h, fail.Errorf(fail.Exists, "the other end's network %s is joined to this one already, or to itself", fail.Quote(h.Name))
	}
	return h, nil
}
