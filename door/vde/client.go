package vde

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/iface/netns"
	"ipnfs/lane/vdeplug"
)

// meet makes a datagram socket that is connected to the client's and has a name in
// the client's network namespace, so that he can connect to it, and nobody else can
// (unix_may_send). It returns that name, too.
func meet(v *bus.Visitor, client *vdeplug.Address) (fd int, name *vdeplug.Address, err error) {
	p := whereabouts(v)
	defer p.close()
	if fd, err = p.socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0); err != nil {
		return -1, nil, err
	}
	if client.Abstract() {
		err = p.connectAbstract(fd, client)
	} else {
		err = p.connectPath(fd, client.Path())
	}
	if err == nil {
		name = vdeplug.NewName()
		err = os.NewSyscallError("bind", name.Bind(fd))
	}
	if err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, name, nil
}

// place is where a client lives: what his addresses mean.
type place struct {
	rights bus.Credentials
	pid    uint32
	ns     *netns.NS // network namespace; nil: ours
	root   int       // O_PATH of his root directory, or of ours
	cwd    int       // of his working directory; -1: unknown
}

// whereabouts asks /proc where a client lives. One of whom it says nothing, or of
// another process by now, is taken to live where we do: his socket must be his
// wherever it is.
func whereabouts(v *bus.Visitor) *place {
	p := &place{rights: v.Rights, pid: v.PID, root: -1, cwd: -1}
	if v.Rights.Known {
		p.ns, _ = netns.OfThread(v.PID)
		p.root = open(fmt.Sprintf("/proc/%d/root", v.PID))
		p.cwd = open(fmt.Sprintf("/proc/%d/cwd", v.PID))
		if p.ns != nil && p.root >= 0 && creds.Alive(v.FD) {
			return p
		}
		p.close()
		p.ns, p.cwd = nil, -1
	}
	p.root = open("/")
	return p
}

func open(dir string) (fd int) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

func (p *place) close() {
	if p.ns != nil {
		p.ns.Close()
	}
	for _, fd := range []int{p.root, p.cwd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// socket makes a socket in the network namespace of the client.
func (p *place) socket(domain, kind, protocol int) (fd int, err error) {
	fd = -1
	do := func(f func() error) error { return f() }
	if p.ns != nil {
		do = p.ns.Do
	}
	err = do(func() (err error) {
		fd, err = unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
		return os.NewSyscallError("socket", err)
	})
	if err != nil {
		return -1, fail.Errorf(kindOf(err), "a socket in the network namespace of process %d: %v", p.pid, err)
	}
	return fd, nil
}

// connectPath connects fd to the socket at a path that the client can reach, that is
// his own, and that he may connect to. It may take as long as a file system of his
// likes, on a thread of its own.
func (p *place) connectPath(fd int, path string) error {
	err := creds.OnOwnThread(func() error {
		if err := creds.Assume(p.rights); err != nil {
			return err
		}
		at, err := p.open(path)
		if err != nil {
			return err
		}
		defer unix.Close(at)
		mode, err := p.owns(at)
		if err != nil {
			return err
		}
		// The very socket that was looked at.
		name := fmt.Sprintf("/proc/self/fd/%d", at)
		if mode&unix.S_IWUSR == 0 { // some clients make it 0, and expect to be found by root
			if err := unix.Chmod(name, mode|unix.S_IWUSR); err != nil {
				return os.NewSyscallError("chmod", err)
			}
			defer func() { _ = unix.Chmod(name, mode) }()
		}
		return os.NewSyscallError("connect", unix.Connect(fd, &unix.SockaddrUnix{Name: name}))
	})
	if err != nil {
		return fail.Errorf(kindOf(err), "the client's socket %s: %v", fail.Quote(path), err)
	}
	return nil
}

// open opens a path as the client would, by O_PATH.
func (p *place) open(path string) (fd int, err error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	dir := p.cwd
	if strings.HasPrefix(path, "/") {
		dir = p.root
		how.Resolve |= unix.RESOLVE_IN_ROOT
	}
	if dir < 0 {
		return -1, fail.Errorf(fail.Denied, "the directory of process %d is unknown: an absolute path is needed", p.pid)
	}
	fd, err = unix.Openat2(dir, path, &how)
	return fd, os.NewSyscallError("openat2", err)
}

// owns refuses what is not a socket of the client's own, as what comes from ipnfs may
// look like root's to another, and tells its mode.
func (p *place) owns(fd int) (mode uint32, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return 0, fail.Errorf(fail.Invalid, "it is no socket")
	case st.Uid != p.rights.UID:
		return 0, fail.Errorf(fail.Denied, "it is uid %d's, and not that of uid %d, who connected", st.Uid, p.rights.UID)
	}
	return st.Mode & 0o7777, nil
}

// connectAbstract connects fd to a name in its network namespace, if the client has
// made the socket of that name.
func (p *place) connectAbstract(fd int, name *vdeplug.Address) error {
	if err := name.Connect(fd); err != nil {
		return fail.Errorf(kindOf(err), "the client's socket %s: %v", name, os.NewSyscallError("connect", err))
	}
	diag, err := p.socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(diag)
	uid, err := ownerOfPeer(diag, fd)
	if err != nil {
		return fail.Errorf(fail.Denied, "the client's socket %s: whose it is cannot be told: %v", name, err)
	}
	if uid != p.rights.UID {
		return fail.Errorf(fail.Denied, "the client's socket %s is uid %d's, and not that of uid %d, who connected", name, uid, p.rights.UID)
	}
	return nil
}

// kindOf classes what the kernel, or this package, refuses.
func kindOf(err error) fail.Kind {
	switch {
	case fail.KindOf(err) != 0:
		return fail.KindOf(err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fail.Denied
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return fail.Unknown
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return fail.NoSpace
	}
	return fail.Invalid
}
