package harness

import (
	"bytes"
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// FSType is what the mount table shows as type.
const FSType = "fuse.ipnfs"

// Mounted is a running ipnfs with its mount.
type Mounted struct {
	Dir string // the mount point
	PID int    // of the daemon

	cmd    *exec.Cmd
	stderr log
	done   chan struct{} // closed when the daemon has ended
	ended  bool          // End or Killed was called
	base   []string      // descriptors at the start
}

// Mount mounts ipnfs on a new directory, with options as of mount -o, and
// returns when it is ready. In the end the test fails unless the daemon
// ends at SIGTERM with exit code 0, and neither process nor mount is left.
func Mount(t testing.TB, options ...string) *Mounted {
	t.Helper()
	return MountOn(t, t.TempDir(), options...)
}

// MountOn is Mount on a directory that exists.
func MountOn(t testing.TB, dir string, options ...string) *Mounted {
	t.Helper()
	NeedFuse(t)
	m := &Mounted{Dir: dir, done: make(chan struct{})}
	args := []string{"mount", "-f"}
	if len(options) > 0 {
		args = append(args, "-o", strings.Join(options, ","))
	}
	m.cmd = exec.Command(Binary(t), append(args, dir)...)
	m.cmd.Stderr = &m.stderr
	m.cmd.Env = environ()
	// If the test dies the daemon is told to end.
	m.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig means the thread that started it
		defer close(m.done)
		err := m.cmd.Start()
		started <- err
		if err == nil {
			_ = m.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	m.PID = m.cmd.Process.Pid
	t.Cleanup(func() {
		m.End(t)
		if t.Failed() && m.stderr.String() != "" {
			t.Logf("the daemon of %s said:\n%s", m.Dir, m.stderr.String())
		}
	})
	Eventually(t, "ipnfs to be mounted on "+dir, func() bool {
		select {
		case <-m.done:
			t.Fatalf("ipnfs mount ended: %s\n%s", m.cmd.ProcessState, m.stderr.String())
		default:
		}
		return IsMounted(t, dir) && unix.Access(dir+"/version", unix.F_OK) == nil && strings.Contains(m.stderr.String(), "msg=mounted")
	})
	m.base = m.Descriptors(t)
	return m
}

// IsMounted tells whether an ipnfs, alive or dead, is mounted on dir.
func IsMounted(t testing.TB, dir string) bool {
	t.Helper()
	mounts, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return i.Mountpoint != dir || i.FSType != FSType, false
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(mounts) > 0
}

// Detach takes away whatever is mounted on dir.
func Detach(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		t.Errorf("umount -l %s: %v", dir, err)
	}
}

// log collects what a process says.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write takes a piece.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is all of it so far.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
