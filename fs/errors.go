package fs

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// errnos says which errno each kind of refusal is.
var errnos = map[bus.Kind]unix.Errno{
	bus.Invalid:     unix.EINVAL,
	bus.Unknown:     unix.ENOENT,
	bus.Busy:        unix.EBUSY,
	bus.Exists:      unix.EEXIST,
	bus.InUse:       unix.EADDRINUSE,
	bus.NoPort:      unix.EUSERS,
	bus.NoSpace:     unix.ENOSPC,
	bus.Range:       unix.ERANGE,
	bus.NameTooLong: unix.ENAMETOOLONG,
	bus.Denied:      unix.EPERM,
	bus.Gone:        unix.ENODEV,
	bus.TooLong:     unix.EMSGSIZE,
	bus.NoMemory:    unix.ENOBUFS,
	bus.Unsupported: unix.EOPNOTSUPP,
}

func statusOf(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	if errno, ok := errnos[bus.KindOf(err)]; ok {
		return fuse.Status(errno)
	}
	return fuse.EIO
}

// errorLines is how many refusals are remembered; errorText how many bytes of
// a command are shown.
const (
	errorLines = 32
	errorText  = 80
)

// errorLog is the last refusals, oldest first.
type errorLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *errorLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == errorLines {
		copy(l.lines, l.lines[1:])
		l.lines = l.lines[:errorLines-1]
	}
	l.lines = append(l.lines, line)
}

func (l *errorLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = nil
}

func (l *errorLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// refuse records a refusal in the root's errors and the network's, and gives
// the errno.
func (f *FS) refuse(n *node, caller *fuse.InHeader, command string, err error) fuse.Status {
	pid := callerInfo(caller).PID
	line := func(path string) string {
		return fmt.Sprintf("%s %d %d %s: %s: %s\n", bus.Stamp(time.Now()), caller.Uid, pid, path, printable(command), printable(err.Error()))
	}
	f.errors.add(line(n.path()))
	if n.net != nil {
		f.errorsOf(n.net).add(line(n.localPath()))
	}
	return statusOf(err)
}

// printable cuts s short and shows what is not printable as escapes, so that
// a refusal is always one line.
func printable(s string) string {
	cut := len(s) > errorText*4
	if cut {
		s = s[:errorText]
	}
	quoted := strconv.Quote(s)
	s = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if cut {
		s += "..."
	}
	return s
}

// errorsOf returns the network's log, made at its first refusal.
func (f *FS) errorsOf(net *bus.Network) *errorLog {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.netErrors[net.ID()]
	if l == nil {
		for id := range f.netErrors { // a new one is rare: a time to tidy up
			if f.bus.NetworkByID(id) == nil {
				delete(f.netErrors, id)
			}
		}
		l = &errorLog{}
		f.netErrors[net.ID()] = l
	}
	return l
}

// Errors returns what the root's errors file shows.
func (f *FS) Errors() string { return f.errors.String() }

func readRootErrors(f *FS, _ *node) string { return f.errors.String() }

func clearRootErrors(f *FS, _ *node, _ *fuse.InHeader, command string) error {
	if command != "" {
		return bus.Errorf(bus.Invalid, "an empty line clears the errors; nothing else can be written")
	}
	f.errors.clear()
	return nil
}

func readErrors(f *FS, n *node) string { return f.errorsOf(n.net).String() }

func clearErrors(f *FS, n *node, by *fuse.InHeader, command string) error {
	if command != "" {
		return clearRootErrors(f, n, by, command)
	}
	f.errorsOf(n.net).clear()
	return nil
}
