package netns_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// child starts a shell that runs script, which must print a line and then
// wait for its input to end.
func child(t *testing.T, attr *syscall.SysProcAttr, script string) (pid uint32, line string) {
	t.Helper()
	nstest.NeedRoot(t)
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return uint32(cmd.Process.Pid), strings.TrimSpace(line)
}

const wait = "; read line"

// thread returns the number of the test's own thread, which lasts.
func thread(t *testing.T) uint32 {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	return uint32(unix.Gettid())
}

// look checks what thread finds.
func look(t *testing.T, thread uint32, where string, want *netns.NS, kind fail.Kind) {
	t.Helper()
	ns, err := netns.Find(thread, where)
	if err == nil {
		defer ns.Close()
	}
	switch {
	case fail.KindOf(err) != kind:
		t.Errorf("%s: error %v of kind %d, want kind %d", where, err, fail.KindOf(err), kind)
	case err == nil && ns.ID() != want.ID():
		t.Errorf("%s: found %v, want %v", where, ns.ID(), want.ID())
	}
}

func TestFind(t *testing.T) {
	name, ns := nstest.New(t)
	_, other := nstest.New(t)
	self, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	pid, _ := child(t, nil, fmt.Sprintf("exec nsenter --net=/run/netns/%s sh -c 'echo ready%s'", name, wait))
	me := thread(t)

	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/run/netns/"+name, link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	nstest.In(t, other, func() error {
		// The words mean the same from any namespace.
		look(t, me, name, ns, 0)
		return nil
	})
	look(t, me, "/run/netns/"+name, ns, 0)
	look(t, me, link, ns, 0)
	look(t, me, strconv.Itoa(int(pid)), ns, 0)
	look(t, me, fmt.Sprintf("/proc/%d/ns/net", pid), ns, 0)
	look(t, me, fmt.Sprintf("/proc/%d/task/%d/ns/net", pid, pid), ns, 0)
	look(t, me, "/proc/self/ns/net", self, 0)
	look(t, pid, "/proc/self/ns/net", ns, 0)
	look(t, pid, "/proc/thread-self/ns/net", ns, 0)

	look(t, me, "lnknone", nil, fail.Unknown)
	look(t, me, "/run/netns/lnknone", nil, fail.Unknown)
	look(t, me, "/dev/null/x", nil, fail.Unknown)
	look(t, me, "1073741824", nil, fail.Unknown)
	look(t, me, "99999999999", nil, fail.Unknown)
	look(t, me, "/proc/1073741824/ns/net", nil, fail.Unknown)
	look(t, me, "/dev/null", nil, fail.Invalid)
	look(t, me, "/etc/passwd", nil, fail.Invalid)
	look(t, me, fifo, nil, fail.Invalid) // and does not wait for a writer
	look(t, me, "/", nil, fail.Invalid)
	look(t, me, "/proc/self/ns/mnt", nil, fail.Denied)
	look(t, me, "/proc/1/root/etc/passwd", nil, fail.Denied)
	look(t, me, fmt.Sprintf("/proc/%d/cwd", pid), nil, fail.Denied)
	for _, bad := range []string{"", ".", "..", "a/b", "../netns/x", "-1"} {
		kind := fail.Invalid
		if bad == "-1" {
			kind = fail.Unknown
		}
		look(t, me, bad, nil, kind)
	}
}

// A name that is a number is a name first, as for ip link set netns.
func TestFindNumber(t *testing.T) {
	name, ns := nstest.New(t)
	number := strconv.Itoa(os.Getpid())
	if err := os.Symlink(name, "/run/netns/"+number); err != nil {
		t.Fatal(err)
	}
	defer os.Remove("/run/netns/" + number)
	look(t, thread(t), number, ns, 0)
}

// In another root directory names and paths mean what they mean there, and no
// way leads out.
func TestFindInRoot(t *testing.T) {
	name, _ := nstest.New(t)
	_, inner := nstest.New(t)
	root := t.TempDir()
	for _, dir := range []string{"run/netns", "proc", "d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bound := filepath.Join(root, "run/netns", name)
	if err := os.WriteFile(bound, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	innerName := netns.Names()[inner.ID()]
	if err := unix.Mount("/run/netns/"+innerName, bound, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(bound, unix.MNT_DETACH)
	for at, to := range map[string]string{"abs": "/run/netns/" + name, "up": "../../../../run/netns/" + name, "host": "/run/netns/" + innerName} {
		if err := os.Symlink(to, filepath.Join(root, "d", at)); err != nil {
			t.Fatal(err)
		}
	}
	thread := inRoot(t, root)
	look(t, thread, name, inner, 0)
	look(t, thread, "/run/netns/"+name, inner, 0)
	look(t, thread, "/d/abs", inner, 0)
	look(t, thread, "/d/up", inner, 0)
	look(t, thread, "/../../run/netns/"+name, inner, 0)
	look(t, thread, innerName, nil, fail.Unknown)
	look(t, thread, "/d/host", nil, fail.Unknown)
}

// inRoot gives a thread that has its own root directory.
func inRoot(t *testing.T, root string) (tid uint32) {
	t.Helper()
	ready, done, ended := make(chan uint32), make(chan struct{}), make(chan struct{})
	self, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	go func() {
		defer close(ended)
		err := self.Do(func() error {
			err := unix.Unshare(unix.CLONE_FS)
			if err == nil {
				err = unix.Chroot(root)
			}
			ready <- uint32(unix.Gettid())
			<-done
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		close(done)
		<-ended
	})
	return <-ready
}

// In another pid namespace numbers mean what they mean there.
func TestFindPID(t *testing.T) {
	nstest.NeedRoot(t)
	self, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	// The shell is 1 there; what it starts is 2, in a namespace of its own.
	pid, number := child(t, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
		`unshare --net sh -c 'echo 2 $$; read line'`)
	if number != "2 2" {
		t.Skipf("the child of the shell has number %s there", number)
	}
	ns, err := netns.Find(pid, "2")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if ns.ID() == self.ID() {
		t.Error("number 2 of the outer pid namespace was found")
	}
	look(t, pid, "1", self, 0)
	look(t, pid, "/proc/1/ns/net", self, 0)
	look(t, pid, strconv.Itoa(os.Getpid()), nil, fail.Unknown)
}
