// Package netns finds network namespaces, as a caller means them, and works
// in them without leaving a thread of the process behind in one.
//
// An NS is an open descriptor: while it is open the namespace lives, even if
// its last process ends and its name is removed. So it is held for as long as
// a call takes, and what must last remembers the ID.
package netns

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ID tells a namespace from all others that exist at the same time.
type ID struct {
	dev, ino uint64
}

// String is how readlink(1) shows a namespace: net:[4026531840].
func (id ID) String() string { return fmt.Sprintf("net:[%d]", id.ino) }

// NS is an open network namespace.
type NS struct {
	file *os.File
	id   ID
}

// newNS takes over a descriptor, if it is a network namespace.
func newNS(fd int) (*NS, error) {
	f := os.NewFile(uintptr(fd), "netns")
	ns, err := check(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return ns, nil
}

var errNoNamespace = errors.New("not a network namespace")

func check(f *os.File) (*NS, error) {
	fd := int(f.Fd())
	// Before the ioctl: on something else its number might mean something.
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return nil, err
	}
	if fs.Type != unix.NSFS_MAGIC {
		return nil, errNoNamespace
	}
	if kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
		return nil, errNoNamespace
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	return &NS{f, ID{st.Dev, st.Ino}}, nil
}

// FromFD takes over fd, which is closed if it is no network namespace.
func FromFD(fd int) (*NS, error) { return newNS(fd) }

// open opens a namespace by a path of /proc.
func open(format string, args ...any) (*NS, error) {
	fd, err := unix.Open(fmt.Sprintf(format, args...), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return newNS(fd)
}

// OfThread returns the namespace that a thread is in, by its number in our own
// pid namespace.
func OfThread(tid uint32) (*NS, error) { return open("/proc/%d/ns/net", tid) }

// Current returns the namespace of the calling thread: the process's own,
// except within Do.
func Current() (*NS, error) { return open("/proc/thread-self/ns/net") }

var private struct {
	sync.Mutex
	// +checklocks:Mutex
	ns *NS
}

// Private returns a namespace as New makes it, the same at each call. It stays until
// the process ends; it must not be closed.
func Private() (*NS, error) {
	private.Lock()
	defer private.Unlock()
	if private.ns != nil {
		return private.ns, nil
	}
	ns, err := New()
	private.ns = ns
	return ns, err
}

// New makes a namespace that nobody else is in nor finds by a name.
func New() (ns *NS, err error) {
	err = onOwnThread(func() error {
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			ns, err = Current()
		}
		return err
	})
	return ns, err
}

// ID tells the namespace from others.
func (ns *NS) ID() ID { return ns.id }

// FD is the descriptor, which stays ns's own.
func (ns *NS) FD() int { return int(ns.file.Fd()) }

// Dup returns the same namespace once more, to be closed on its own.
func (ns *NS) Dup() (*NS, error) {
	fd, err := unix.FcntlInt(ns.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return newNS(fd)
}

// Close gives the descriptor back.
func (ns *NS) Close() { ns.file.Close() }

// Do runs f on a thread that is in the namespace and does nothing else, before
// or after. What f opens there stays in the namespace.
func (ns *NS) Do(f func() error) error {
	return onOwnThread(func() error {
		// A process without privileges may stay where it is, but not setns.
		if here, err := Current(); err == nil {
			here.Close()
			if here.id == ns.id {
				return f()
			}
		}
		if err := unix.Setns(ns.FD(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering %v: %w", ns.id, err)
		}
		return f()
	})
}
