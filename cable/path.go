package cable

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// maxFile is the longest file in bytes that a cable reads: keys, certificates,
// credentials.
const maxFile = 1 << 20

// open opens a path as he would. Links of /proc that lead elsewhere are refused. To be
// called within try.
func (o *Origin) open(path string, flags uint64) (fd int, err error) {
	if !strings.HasPrefix(path, "/") {
		return -1, fail.Errorf(fail.Invalid, "%s: a path must begin with /", fail.Quote(path))
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	dir := unix.AT_FDCWD
	if o.root >= 0 {
		dir = o.root
		how.Resolve |= unix.RESOLVE_IN_ROOT
	}
	return unix.Openat2(dir, path, &how)
}

// ReadFile reads a file that he may read, of at most 1 MiB.
func (o *Origin) ReadFile(path string) (text []byte, err error) {
	text, err = try(o, func() ([]byte, error) { return o.readFile(path) }, func([]byte) {})
	if err != nil {
		return nil, refuse(bare(err), "%s", fail.Quote(path))
	}
	return text, nil
}

func (o *Origin) readFile(path string) ([]byte, error) {
	at, err := o.open(path, unix.O_PATH) // a device or a pipe must not notice
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	if err := plain(at, path); err != nil {
		return nil, err
	}
	f, err := os.Open(fmt.Sprintf("/proc/thread-self/fd/%d", at))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fail.Errorf(fail.Invalid, "%s is longer than %d bytes", fail.Quote(path), maxFile)
	}
	return text, err
}

// plain refuses what is no regular file, and what /proc shows: "self" there is this
// process, which is not his.
func plain(fd int, path string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || fs.Type == unix.PROC_SUPER_MAGIC {
		return fail.Errorf(fail.Invalid, "%s is no file", fail.Quote(path))
	}
	return nil
}

// bare takes the path of this process off an error.
func bare(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// DialUnix connects to the socket at a path that he may connect to, of SOCK_STREAM,
// SOCK_DGRAM or SOCK_SEQPACKET. The descriptor is non-blocking and closed on exec.
func (o *Origin) DialUnix(path string, kind int) (fd int, err error) {
	fd, err = try(o, func() (int, error) { return o.dialUnix(path, kind) }, func(fd int) { _ = unix.Close(fd) })
	if err != nil {
		return -1, refuse(err, "%s", fail.Quote(path))
	}
	return fd, nil
}

func (o *Origin) dialUnix(path string, kind int) (fd int, err error) {
	at, err := o.open(path, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	s, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	// The very socket that was found; a path of any length.
	if err := unix.Connect(s, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/thread-self/fd/%d", at)}); err != nil {
		_ = unix.Close(s)
		return -1, err
	}
	return s, nil
}
