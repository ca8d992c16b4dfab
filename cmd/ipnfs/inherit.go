package main

import (
	"math"
	"os"
	"os/signal"
	"strconv"

	"golang.org/x/sys/unix"
)

// sealDescriptors keeps what the caller had open, such as locks, pipes and
// ports of another mount, from every program that this one starts: itself in
// the background, fusermount3, the rc script. This process keeps them.
func sealDescriptors() error {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	return sealEach() // Linux before 5.11, or a filter of system calls
}

// sealEach is sealDescriptors without close_range(2).
func sealEach() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// endSignals are the signals that end a mount. In front those stay ignored
// that the caller ignored: nohup does so with SIGHUP, and sh with SIGINT for
// what it starts with &. Nobody behind has such a caller any more.
func endSignals(behind bool) []os.Signal {
	list := []os.Signal{unix.SIGTERM}
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGHUP} {
		if behind || !signal.Ignored(s) {
			list = append(list, s)
		}
	}
	return list
}

// surviveWrites lets a message whose reader is gone be lost, where SIGPIPE would
// end the process. Go does so with SIGXFSZ itself, the limit on files. The
// signal is caught, not ignored: the rc script would inherit that.
func surviveWrites() { signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE) }

// reapOrphans waits for children that have ended. A mount has such as it did
// not start itself when it is process 1 of a container, or took the place of a
// shell by exec. Not to be called while a child of os/exec runs.
func reapOrphans() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if err != unix.EINTR && (err != nil || pid == 0) {
			return
		}
	}
}
