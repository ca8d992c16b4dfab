package hostile

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// dial connects to a socket of a network.
func dial(kind int, path string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// connect connects n times, or as often as it may, and keeps the descriptors.
func (a *attacker) connect(n, kind int, path string) []int {
	first := len(a.fds)
	for range n {
		fd, err := dial(kind, path)
		if refused(err) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			fail(fmt.Errorf("%s: %w", path, err))
		}
		a.fds = append(a.fds, fd)
	}
	return a.fds[first:]
}

// say connects, says something and hangs up.
func (a *attacker) say(kind int, path string, what []byte) {
	fd, err := dial(kind, path)
	if err != nil {
		return
	}
	_, _ = unix.SendmsgN(fd, what, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	unix.Close(fd)
}

// request is one of VDE's control protocol, version 3, with a path that is not
// there.
func request() []byte {
	b := make([]byte, 122)
	copy(b, "\xce\xfa\xed\xfe\x03\x00\x00\x00")
	copy(b[12:], "\x01\x00/tmp/nothing/there")
	return append(b, strings.Repeat("nonsense\n", 14)...)
}

// onSockets are attacks by those who connect.
var onSockets = []attack{
	{
		name:  "sockets-silent", // who says nothing, or half of it
		procs: 3,
		setup: func(a *attacker) {
			dir := a.network("silent")
			for range 200 {
				for _, fd := range a.connect(1, unix.SOCK_STREAM, dir+"/ctl") {
					_, _ = unix.Write(fd, request()[:30])
				}
				a.connect(1, unix.SOCK_STREAM, dir+"/vhost")
			}
		},
		step: func(a *attacker) {
			if fd, err := dial(unix.SOCK_STREAM, a.dir+"/silent/ctl"); err == nil {
				unix.Close(a.fds[a.count%len(a.fds)])
				a.fds[a.count%len(a.fds)] = fd
			}
		},
	},
	{
		name:  "sockets-storm", // who comes and goes
		procs: 4,
		setup: func(a *attacker) { a.network("storm", "maxports 65536") },
		step: func(a *attacker) {
			dir := a.dir + "/storm/"
			switch a.count % 4 {
			case 0:
				a.say(unix.SOCK_STREAM, dir+"qemu", []byte("\x00\x00\x00\x01x"))
			case 1:
				a.say(unix.SOCK_SEQPACKET, dir+"seq", []byte("x"))
			case 2:
				a.say(unix.SOCK_STREAM, dir+"ctl", request())
			case 3:
				a.say(unix.SOCK_STREAM, dir+"vhost", []byte(strings.Repeat("garbage.", 100)))
			}
		},
	},
	{
		name:  "sockets-looked-at", // each look binds one, if it is not
		procs: 3,
		setup: func(a *attacker) {
			for i := range 400 {
				a.network(fmt.Sprint("look", a.index, "-", i))
			}
		},
		step: func(a *attacker) {
			dir := fmt.Sprint(a.dir, "/look", a.index, "-", a.count%400, "/")
			for _, name := range []string{"ctl", "qemu", "seq", "vhost"} {
				_, _ = os.Lstat(dir + name)
			}
		},
	},
	{
		name:  "sockets-unread", // who never takes what comes
		procs: 2,
		setup: func(a *attacker) {
			dir := a.network(fmt.Sprint("unread", a.index), "maxports 65536", "overflow drop-old", "queue 65536")
			a.connect(300, unix.SOCK_SEQPACKET, dir+"/seq")
			a.connect(300, unix.SOCK_STREAM, dir+"/qemu")
			a.sender(dir + "/stream")
			a.text = tiny()
		},
		step: func(a *attacker) { send(a.door, a.text) },
	},
	{
		name:  "sockets-flood", // small frames for many, from many
		procs: 3,
		setup: func(a *attacker) {
			dir := a.network("flood", "maxports 65536")
			a.connect(100, unix.SOCK_SEQPACKET, dir+"/seq")
			a.connect(100, unix.SOCK_STREAM, dir+"/qemu")
			a.text = []byte(strings.Repeat("\x00\x00\x00\x01x", 20000))
		},
		step: func(a *attacker) {
			fd := a.fds[a.count%len(a.fds)]
			text := a.text
			if a.count%len(a.fds) < 100 {
				text = text[:1]
			}
			_, _ = unix.SendmsgN(fd, text, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		},
	},
}
