package cable

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/iface/netns"
)

// Origin is who laid a cable, and from where: his rights, his network namespace and
// his root directory. All that the cable opens is opened by it. Safe for concurrent
// use, until Close.
type Origin struct {
	By bus.Caller

	ns   *netns.NS
	home bool // ns is this process's own
	root int  // O_PATH of his root directory; -1: it is this process's own
}

// errUnseen is why a caller is unknown, and what helps.
var errUnseen = fail.Errorf(fail.Denied, "what this process may do is unknown, as it is in a pid namespace that ipnfs does not see: write from one that it sees, or mount there")

// newOrigin tells where a caller is; where is a namespace that he wants instead of his
// own, if not empty.
func newOrigin(by bus.Caller, where string) (*Origin, error) {
	thread := by.Rights.Thread
	if !by.Rights.Known || thread == 0 {
		return nil, errUnseen
	}
	o := &Origin{By: by, root: -1}
	var err error
	if where == "" {
		o.ns, err = netns.OfThread(thread)
	} else if o.ns, err = netns.Find(thread, where); err == nil {
		err = o.mayEnter(where)
	}
	if err == nil {
		err = o.findRoot(thread)
	}
	if err != nil {
		o.Close()
		return nil, refuse(err, "where uid %d is", by.UID)
	}
	if own, err := netns.Current(); err == nil {
		o.home = own.ID() == o.ns.ID()
		own.Close()
	}
	return o, nil
}

// mayEnter refuses who could not enter the namespace by himself.
func (o *Origin) mayEnter(where string) error {
	if o.By.UID == 0 && o.Can(unix.CAP_SYS_ADMIN) && o.Can(unix.CAP_NET_ADMIN) {
		return nil
	}
	if own, err := netns.OfThread(o.By.Rights.Thread); err == nil {
		own.Close()
		if own.ID() == o.ns.ID() {
			return nil
		}
	}
	return fail.Errorf(fail.Denied, "netns=%s: another namespace than one's own takes root", where)
}

// findRoot opens the caller's root directory, if it is another one than ours.
func (o *Origin) findRoot(thread uint32) error {
	same := true
	for _, link := range []string{"ns/mnt", "root"} {
		theirs, err := os.Stat(fmt.Sprintf("/proc/%d/%s", thread, link))
		if err != nil {
			return err
		}
		ours, err := os.Stat("/proc/thread-self/" + link)
		if err != nil {
			return err
		}
		same = same && os.SameFile(theirs, ours)
	}
	if same {
		return nil
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/root", thread), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		o.root = fd
	}
	return err
}

// Close gives back what o holds.
func (o *Origin) Close() {
	if o.ns != nil {
		o.ns.Close()
	}
	if o.root >= 0 {
		_ = unix.Close(o.root)
	}
}

// Can tells whether he has a capability, in the user namespace of this process.
func (o *Origin) Can(capability int) bool { return o.By.Rights.Can(capability) }

// NS is the network namespace that the cable is laid in. It stays o's own.
func (o *Origin) NS() *netns.NS { return o.ns }

// maxThreads is how many threads may act for one user at once. They may wait for his
// file systems as long as he likes.
const maxThreads = 8

var acting = struct {
	sync.Mutex
	// Guarded by acting.
	users map[uint32]*actor
}{users: map[uint32]*actor{}}

type actor struct {
	slots chan struct{}
	users int // who act or wait; guarded by acting
}

// Do runs f on a thread of its own that is in his network namespace and has his
// rights: his ids, his groups, and his capabilities as far as this process has them. It
// waits while maxThreads do so for the same user.
func (o *Origin) Do(f func() error) error {
	defer o.act()()
	return creds.OnOwnThread(func() error {
		if !o.home {
			if err := unix.Setns(o.ns.FD(), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("entering the network namespace %v: %w", o.ns.ID(), err)
			}
		}
		if err := creds.Assume(o.By.Rights); err != nil {
			return err
		}
		return f()
	})
}

// act waits for a slot and returns what gives it back.
func (o *Origin) act() (done func()) {
	uid := o.By.UID
	acting.Lock()
	a := acting.users[uid]
	if a == nil {
		a = &actor{slots: make(chan struct{}, maxThreads)}
		acting.users[uid] = a
	}
	a.users++
	acting.Unlock()
	a.slots <- struct{}{}
	return func() {
		<-a.slots
		acting.Lock()
		defer acting.Unlock()
		if a.users--; a.users == 0 {
			delete(acting.users, uid)
		}
	}
}

// Socket makes a socket in his network namespace and with his rights. It is
// non-blocking and closed on exec.
func (o *Origin) Socket(domain, kind, protocol int) (fd int, err error) {
	fd = -1
	err = o.Do(func() (err error) {
		fd, err = unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
		return os.NewSyscallError("socket", err)
	})
	return fd, err
}

// refuse makes an error of this package of what the kernel said, for people.
func refuse(err error, format string, args ...any) error {
	if fail.KindOf(err) != 0 {
		return err
	}
	return fail.Errorf(kindOf(err), "%s: %v", fmt.Sprintf(format, args...), err)
}

func kindOf(err error) fail.Kind {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fail.Denied
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ESRCH):
		return fail.Unknown
	case errors.Is(err, unix.EADDRINUSE):
		return fail.InUse
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOSPC):
		return fail.NoSpace
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
		return fail.NoMemory
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT):
		return fail.Unsupported
	}
	return fail.Invalid
}
