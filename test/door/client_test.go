package door

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

func init() { harness.Role("client", client) }

// client is a user, by his ids and a supplementary group, who does what he is told:
//
//	join DIR SOCKET
//	send TEXT
//	receive
//	leave
//
// He answers with what came of it: ok, a frame, or the name of an error. With nothing
// to receive he says so at once.
func client(args []string) {
	var ids [3]int
	for i := range ids {
		ids[i], _ = strconv.Atoi(args[i])
	}
	must(syscall.Setgroups(ids[2:]))
	must(syscall.Setgid(ids[1]))
	must(syscall.Setuid(ids[0]))
	harness.Say("ready")
	var p *peer
	for line := harness.Hear(); line != ""; line = harness.Hear() {
		words := strings.SplitN(line, " ", 3)
		said, err := "ok", error(nil)
		switch words[0] {
		case "join":
			p, err = join(words[1], words[2])
		case "send":
			err = p.send([]byte(words[1]))
		case "receive":
			said, err = p.receive()
		case "leave":
			p.leave()
		}
		if errno := unix.Errno(0); errors.As(err, &errno) {
			said = unix.ErrnoName(errno)
		} else if err != nil {
			said = err.Error()
		}
		harness.Say("%s", said)
	}
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// peer is a client's end of a connection.
type peer struct {
	control int // of the connection
	data    int // where frames are
	socket  string
}

// join connects to a socket of a network.
func join(dir, socket string) (*peer, error) {
	kind := unix.SOCK_STREAM
	if socket == "seq" {
		kind = unix.SOCK_SEQPACKET
	}
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: dir + "/" + socket}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	p := &peer{control: fd, data: fd, socket: socket}
	if socket == "ctl" {
		if p.data, err = introduce(fd); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	return p, nil
}

// introduce sends version 3 of VDE's request, as libvdeplug does: with the address of
// a socket in /tmp that nobody else may write to. The answer is that of the port's.
func introduce(control int) (data int, err error) {
	data, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	own := fmt.Sprintf("%s/door-test-%d", os.TempDir(), os.Getpid())
	defer unix.Unlink(own)
	if err := errors.Join(unix.Bind(data, &unix.SockaddrUnix{Name: own}), unix.Chmod(own, 0o700)); err != nil {
		return -1, err
	}
	request := make([]byte, 12+unix.SizeofSockaddrUnix)
	binary.NativeEndian.PutUint32(request, 0xfeedface)
	binary.NativeEndian.PutUint32(request[4:], 3)
	binary.NativeEndian.PutUint16(request[12:], unix.AF_UNIX)
	copy(request[14:], own)
	if _, err := unix.Write(control, append(request, "a test"...)); err != nil {
		return -1, err
	}
	answer := make([]byte, unix.SizeofSockaddrUnix)
	switch n, err := unix.Read(control, answer); {
	case err != nil:
		return -1, err
	case n != len(answer):
		return -1, fmt.Errorf("an answer of %d bytes", n)
	}
	// Package unix has no call for an abstract name of the whole length.
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(data), uintptr(unsafe.Pointer(&answer[0])), uintptr(len(answer)))
	if errno != 0 {
		return -1, errno
	}
	return data, nil
}

func (p *peer) send(frame []byte) error {
	if p.socket == "qemu" {
		frame = append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	}
	_, err := unix.Write(p.data, frame)
	return err
}

// receive takes the frame that is there.
func (p *peer) receive() (string, error) {
	buf := make([]byte, 1<<16)
	n, _, err := unix.Recvfrom(p.data, buf, unix.MSG_DONTWAIT)
	if err != nil {
		return "", err
	}
	buf = buf[:n]
	if p.socket == "qemu" {
		if n < 4 || int(binary.BigEndian.Uint32(buf)) != n-4 {
			return "", fmt.Errorf("%q is no frame behind its length", buf)
		}
		buf = buf[4:]
	}
	return string(buf), nil
}

func (p *peer) leave() {
	unix.Close(p.control)
	if p.data != p.control {
		unix.Close(p.data)
	}
}
