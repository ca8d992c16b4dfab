package cable

import (
	"context"
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
// his root directory. All that the cable opens is opened by it, as long as the cable is
// there. Safe for concurrent use.
type Origin struct {
	By bus.Caller

	ns   *netns.NS
	home bool // ns is this process's own
	root int  // O_PATH of his root directory; -1: it is this process's own

	turns *turns // of the user

	ctx context.Context // ends with the cable
	end context.CancelFunc

	mu sync.Mutex
	// +checklocks:mu
	acting int // threads that use ns and root, which are closed behind the last
	// +checklocks:mu
	closed bool
}

// errEnded is why nothing is done any more: the cable ends, or its scheme took longer to
// open than it may.
var errEnded = fail.Errorf(fail.Gone, "the cable has ended meanwhile, or a file system that it needs does not answer")

// errUnseen is why a caller is unknown, and what helps.
var errUnseen = fail.Errorf(fail.Denied, "what this process may do is unknown, as it is in a pid namespace that ipnfs does not see: write from one that it sees, or mount there")

// newOrigin tells where a caller is; where is a namespace that he wants instead of his
// own, if not empty.
func newOrigin(by bus.Caller, where string) (*Origin, error) {
	thread := by.Rights.Thread
	if !by.Rights.Known || thread == 0 {
		return nil, errUnseen
	}
	o := &Origin{By: by, root: -1, turns: turnsOf(by.UID)}
	o.ctx, o.end = context.WithCancel(context.Background())
	var err error
	if where == "" {
		o.ns, err = netns.OfThread(thread)
	} else if err = o.mayEnter(where); err == nil { // before anything is looked up for him
		o.ns, err = netns.Find(thread, where)
	}
	if err == nil {
		err = o.findRoot(thread)
	}
	if err != nil {
		o.close()
		return nil, refuse(err, "where uid %d is", by.UID)
	}
	if own, err := netns.Current(); err == nil {
		o.home = own.ID() == o.ns.ID()
		own.Close()
	}
	return o, nil
}

// mayEnter refuses who could not enter a namespace by himself.
func (o *Origin) mayEnter(where string) error {
	if o.By.UID == 0 && o.Can(unix.CAP_SYS_ADMIN) && o.Can(unix.CAP_NET_ADMIN) {
		return nil
	}
	return fail.Errorf(fail.Denied, "netns=%s takes root: without it the cable is laid in one's own namespace", fail.Quote(where))
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

// close ends o. It does not wait for threads that act still: what o holds goes with
// the last of them.
func (o *Origin) close() {
	o.end()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		o.turns.done(o.By.UID)
		o.releaseLocked()
	}
}

// +checklocks:o.mu
func (o *Origin) releaseLocked() {
	if !o.closed || o.acting > 0 {
		return
	}
	if o.ns != nil {
		o.ns.Close()
	}
	if o.root >= 0 {
		_ = unix.Close(o.root)
	}
}

// begin lets a thread use ns and root until the release is called.
func (o *Origin) begin() (release func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errEnded
	}
	o.acting++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.acting--
		o.releaseLocked()
	}, nil
}

// Can tells whether he has a capability, in the user namespace of this process.
func (o *Origin) Can(capability int) bool { return o.By.Rights.Can(capability) }

// confined tells whether he can do less than others with his uid who see what this process
// sees: he has another root directory, or is root without all that this process may do.
func (o *Origin) confined() bool {
	if o.root >= 0 || o.By.UID != 0 {
		return o.root >= 0
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var ours [2]unix.CapUserData
	if err := unix.Capget(&header, &ours[0]); err != nil {
		return true
	}
	permitted := uint64(ours[1].Permitted)<<32 | uint64(ours[0].Permitted)
	return permitted&^o.By.Rights.Effective != 0
}

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
// waits while maxThreads do so for the same user, unless the cable ends. f is not to
// wait for a file system or a peer: see try.
func (o *Origin) Do(f func() error) error {
	release, err := o.begin()
	if err != nil {
		return err
	}
	defer release()
	done, err := o.act()
	if err != nil {
		return err
	}
	defer done()
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

// try is Do for what may wait for his file systems as long as they like: it gives up when
// the cable ends. Then the thread stays behind, and what it may make yet goes to drop.
func try[T any](o *Origin, f func() (T, error), drop func(T)) (value T, err error) {
	type result struct {
		value T
		err   error
	}
	results, late := make(chan result), make(chan struct{})
	go func() {
		var r result
		r.err = o.Do(func() (err error) {
			r.value, err = f()
			return err
		})
		select {
		case results <- r:
		case <-late:
			if r.err == nil {
				drop(r.value)
			}
		}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-o.ctx.Done():
		close(late)
		return value, errEnded
	}
}

// act waits for a slot and returns what gives it back.
func (o *Origin) act() (done func(), err error) {
	uid := o.By.UID
	acting.Lock()
	a := acting.users[uid]
	if a == nil {
		a = &actor{slots: make(chan struct{}, maxThreads)}
		acting.users[uid] = a
	}
	a.users++
	acting.Unlock()
	leave := func() {
		acting.Lock()
		defer acting.Unlock()
		if a.users--; a.users == 0 {
			delete(acting.users, uid)
		}
	}
	select {
	case a.slots <- struct{}{}:
		return func() { <-a.slots; leave() }, nil
	case <-o.ctx.Done():
		leave()
		return nil, errEnded
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
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.ELOOP):
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
