package fs

import (
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
)

// maxWaiting is how many visitors of one user may be about to become ports, such
// as those who have said nothing yet; spareDescriptors is how many descriptors
// are kept for others than visitors.
const (
	maxWaiting       = 64
	spareDescriptors = 256
)

// visitors counts who is connected. While somebody is, the mount is in use: plain
// umount(8) says so. Safe for concurrent use; the lock is a leaf.
type visitors struct {
	mu sync.Mutex
	// +checklocks:mu
	dir string // where the tree is visible; empty: it is not
	// +checklocks:mu
	mount uint64 // its id
	// +checklocks:mu
	hold int // O_PATH of dir, or -1
	// +checklocks:mu
	there int
	// +checklocks:mu
	waiting map[uint32]int // by uid
}

func (v *visitors) begin(dir string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dir, v.hold, v.waiting = dir, -1, map[uint32]int{}
	if fd, id := openMount(dir); fd >= 0 {
		unix.Close(fd)
		v.mount = id
	}
}

// end lets go of the mount.
func (v *visitors) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dir = ""
	v.release()
}

// +checklocks:v.mu
func (v *visitors) release() {
	if v.hold >= 0 {
		unix.Close(v.hold)
		v.hold = -1
	}
}

// openMount opens a directory so that what is mounted there is in use, and tells
// which mount that is. No request is made to the tree.
func openMount(dir string) (fd int, id uint64) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, 0
	}
	var st unix.Statx_t
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, 0, &st)
	if err != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		unix.Close(fd)
		return -1, 0
	}
	return fd, st.Mnt_id
}

// enter counts a visitor who waits. It returns false if he is one too many.
func (v *visitors) enter(uid uint32) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting[uid] >= maxWaiting {
		return false
	}
	v.waiting[uid]++
	v.there++
	if v.there == 1 && v.dir != "" {
		if fd, id := openMount(v.dir); fd >= 0 && id == v.mount {
			v.hold = fd
		} else if fd >= 0 { // the tree was moved
			unix.Close(fd)
		}
	}
	return true
}

// served ends a visitor's wait.
func (v *visitors) served(uid uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting[uid]--; v.waiting[uid] == 0 {
		delete(v.waiting, uid)
	}
}

// leave ends a visit.
func (v *visitors) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.there--; v.there == 0 {
		v.release()
	}
}

// visit gives who has connected to his door, or turns him away.
func (f *FS) visit(l *acceptor, fd int) {
	n := node{id: makeID(l.row, l.net, nil, 0), row: l.row, net: l.net}
	v, err := visitor(l, fd)
	all := &f.sockets.visitors
	v.Tell = func(err error) { f.tell(&n, v.UID, v.PID, "connect", err) }
	switch {
	case err != nil:
	case fd > maxDescriptors()-spareDescriptors:
		err = fail.Errorf(fail.NoSpace, "no descriptor is left for one more connection")
	case !all.enter(v.UID):
		err = fail.Errorf(fail.NoSpace, "%d connections of uid %d have said nothing yet: one more is too many", maxWaiting, v.UID)
	default:
		v.Left, v.Joined = sync.OnceFunc(all.leave), sync.OnceFunc(func() { all.served(v.UID) })
		go func() {
			if err := l.row.socket.Serve(v); err != nil {
				v.Left()
				v.Tell(err)
			}
			v.Joined()
		}()
		return
	}
	v.Tell(err)
	unix.Close(fd)
}

// visitor tells who has connected, and what he may do.
func visitor(l *acceptor, fd int) (*bus.Visitor, error) {
	v := &bus.Visitor{Network: l.net, FD: fd}
	by, err := creds.OfPeer(fd)
	if err != nil {
		return v, fail.Errorf(fail.Denied, "the kernel does not say who connects: %v", err)
	}
	by.Kind = l.row.name
	v.Caller = by
	_, door := l.net.Access()
	v.Recv, v.Send = door.Allows(by.Rights, bus.MayReceive), door.Allows(by.Rights, bus.MaySend)
	switch {
	case v.Recv || v.Send:
	case by.UID == 0 && !by.Rights.Known:
		// The kernel let him connect, which none of his bits allows: he has
		// CAP_DAC_OVERRIDE.
		v.Recv, v.Send = true, true
	default:
		return v, fail.Errorf(fail.Denied, "uid %d has neither r nor w on port", by.UID)
	}
	return v, nil
}
