package fault

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// The role "call FILE read|write|poll HANDLER" opens a file and makes calls
// that block, and tells of each. HANDLER is what SIGUSR1 does: "none",
// "handler", or "restart" for one with SA_RESTART.
func init() {
	harness.Role("call", func(args []string) {
		path, call := args[0], args[1]
		runtime.LockOSThread()
		flags := map[string]int{"read": unix.O_RDONLY, "poll": unix.O_RDONLY, "write": unix.O_WRONLY}[call]
		fd, err := unix.Open(path, flags, 0)
		if err != nil {
			harness.Say("open: %v", err)
			return
		}
		handle(args[2])
		harness.Say("%d", unix.Gettid())
		for again := true; again; again = harness.Hear() == "again" {
			harness.Say("%s", block(fd, path, call))
		}
	})
}

// block makes one call and tells what it gave.
func block(fd int, path, call string) string {
	switch call {
	case "read":
		buf := make([]byte, 100)
		n, err := unix.Read(fd, buf)
		return "read " + said(buf, n, err)
	case "write":
		frame := "from the child"
		if strings.HasSuffix(path, "stream") {
			frame = "\x00\x0e" + frame
		}
		n, err := unix.Write(fd, []byte(frame))
		return "write " + said([]byte(frame), n, err)
	default:
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, -1)
		return fmt.Sprintf("poll %x %s", fds[0].Revents, said(nil, 0, err))
	}
}

// said is what a call gave, as a word or as data.
func said(buf []byte, n int, err error) string {
	if err != nil {
		return unix.ErrnoName(err.(unix.Errno))
	}
	return strings.Trim(string(buf[:n]), "\x00\x0e")
}

// sigaction is the kernel's, of 64-bit Linux.
type sigaction struct {
	handler, flags, restorer, mask uint64
}

const saRestart = 0x10000000

// handle sets a handler for SIGUSR1. Go's own has SA_RESTART.
func handle(how string) {
	if how == "none" {
		return
	}
	signal.Notify(make(chan os.Signal, 100), unix.SIGUSR1)
	var a sigaction
	rtSigaction(nil, &a)
	a.flags &^= saRestart
	if how == "restart" {
		a.flags |= saRestart
	}
	rtSigaction(&a, nil)
}

func rtSigaction(set, old *sigaction) {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGUSR1),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	if errno != 0 {
		panic(errno)
	}
}

// caller starts a child that blocks in a call on a door.
func caller(t *testing.T, m *harness.Mounted, door, call, handler string) (c *harness.Child, tid int) {
	t.Helper()
	c = harness.Start(t, "call", m.Path(lan, door), call, handler)
	tid = c.Number(t)
	if call != "poll" {
		m.AwaitBlocked(t, c.PID, 1)
	}
	return c, tid
}
