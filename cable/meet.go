package cable

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// MeetUnix connects fd, a datagram socket of his, to the socket at a path that he may
// connect to; or, if path is empty, to what connect connects a socket to: an abstract
// name. It does so only if that socket is connected already, to fd, as then it waits for
// him: a peer who tells the name of a third one would have frames sent to who never asked
// for them.
func (o *Origin) MeetUnix(fd int, path string, connect func(fd int) error) error {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return refuse(err, "a descriptor")
	}
	f := os.NewFile(uintptr(dup), "socket") // a thread that stays behind finds it closed
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	_, err = try(o, func() (none struct{}, err error) {
		if path != "" {
			at, err := o.open(path, unix.O_PATH)
			if err != nil {
				return none, err
			}
			defer unix.Close(at)
			to := &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/thread-self/fd/%d", at)}
			connect = func(fd int) error { return unix.Connect(fd, to) }
		}
		if err := expected(connect); err != nil {
			return none, err
		}
		failed := raw.Control(func(fd uintptr) { err = connect(int(fd)) })
		if err == nil {
			err = failed
		}
		return none, err
	}, func(struct{}) {})
	if err != nil {
		return refuse(err, "the socket of the peer's that it names")
	}
	return nil
}

// expected tells whether a datagram socket is connected, so that it takes no stranger
// (unix_may_send). To be called within try.
func expected(connect func(fd int) error) error {
	stranger, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(stranger)
	switch err := connect(stranger); err {
	case unix.EPERM:
		return nil
	case nil:
		return fail.Errorf(fail.Denied, "the socket that the peer names is connected to nobody, so it may be a third one's")
	default:
		return err
	}
}
