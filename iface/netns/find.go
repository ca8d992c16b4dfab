package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// namesDir is where ip-netns(8) keeps namespaces that have a name.
const namesDir = "/run/netns"

// procPath are the paths of /proc that mean the namespace of a process or
// thread.
var procPath = regexp.MustCompile(`^/proc/(?:self|thread-self|(\d+)(?:/task/(\d+))?)/ns/net$`)

// Find returns the namespace that a caller calls where: the NAME of one that
// ip-netns(8) made, a PID, or an absolute PATH. Names and paths are looked up
// in the caller's own mount namespace and root directory, numbers in his pid
// namespace: he gets what he would get himself. thread is his.
func Find(thread uint32, where string) (*NS, error) {
	ns, err := find(thread, where)
	if err == nil || fail.KindOf(err) != 0 {
		return ns, err
	}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOTDIR):
		return nil, fail.Errorf(fail.Unknown, "there is no network namespace %s: see ip netns", where)
	case errors.Is(err, errNoNamespace):
		return nil, fail.Errorf(fail.Invalid, "%s is no network namespace", where)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return nil, fail.Errorf(fail.Denied, "namespace %s cannot be opened: %v", where, err)
	}
	return nil, fail.Errorf(fail.Invalid, "namespace %s cannot be opened: %v", where, err)
}

func find(thread uint32, where string) (*NS, error) {
	if m := procPath.FindStringSubmatch(where); m != nil {
		switch {
		case m[2] != "":
			return ofPID(thread, m[2])
		case m[1] != "":
			return ofPID(thread, m[1])
		}
		return OfThread(thread)
	}
	switch {
	case strings.HasPrefix(where, "/"):
		return atPath(thread, where)
	case where == "", where == ".", where == "..", strings.Contains(where, "/"):
		return nil, fail.Errorf(fail.Invalid, "network namespace %q: must be a NAME, a PID or an absolute PATH", where)
	}
	ns, err := atPath(thread, namesDir+"/"+where)
	if errors.Is(err, unix.ENOENT) {
		if _, number := strconv.ParseUint(where, 10, 31); number == nil {
			return ofPID(thread, where)
		}
	}
	return ns, err
}

// atPath opens a path as thread would. The bind mounts of ip-netns(8) are
// plain files to the lookup; magic links of /proc, which lead out of the root,
// are refused.
func atPath(thread uint32, path string) (*NS, error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", thread), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(root)
	// O_PATH: a device or pipe that it may be must not notice.
	fd, err := unix.Openat2(root, path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return nil, err
	}
	if fs.Type != unix.NSFS_MAGIC {
		return nil, errNoNamespace
	}
	return open("/proc/thread-self/fd/%d", fd)
}

// ofPID returns the namespace of the process or thread that has that number in
// thread's pid namespace.
func ofPID(thread uint32, number string) (*NS, error) {
	pid, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return nil, unix.ESRCH
	}
	theirs, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", thread))
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	a, err := theirs.Stat()
	if err != nil {
		return nil, err
	}
	if b, err := os.Stat("/proc/thread-self/ns/pid"); err != nil || !os.SameFile(a, b) {
		if pid, err = translate(int(theirs.Fd()), pid); err != nil {
			return nil, err
		}
	}
	return OfThread(uint32(pid))
}

// translate returns our number of what is pid in another pid namespace (Linux
// 6.11).
func translate(pidns int, pid uint64) (uint64, error) {
	ours, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(pidns), unix.NS_GET_PID_FROM_PIDNS, uintptr(pid))
	switch {
	case errno == unix.ENOTTY:
		return 0, fail.Errorf(fail.Unsupported, "PID %d is of another pid namespace, which this kernel cannot translate (Linux 6.11 can): use netns=PATH", pid)
	case errno != 0:
		return 0, errno
	case ours == 0:
		return 0, unix.ESRCH
	}
	return uint64(ours), nil
}

// Names returns the names that ip-netns(8) keeps of namespaces, in our own
// mount namespace.
func Names() map[ID]string {
	names := map[ID]string{}
	entries, _ := os.ReadDir(namesDir)
	for _, e := range entries {
		var st unix.Stat_t
		if unix.Stat(filepath.Join(namesDir, e.Name()), &st) == nil {
			names[ID{st.Dev, st.Ino}] = e.Name()
		}
	}
	return names
}
