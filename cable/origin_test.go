package cable

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// A user who has nothing to do with this process.
const (
	userID  = 12345
	groupID = 23456
	also    = 34567 // a group of his
)

// originOf is where a caller is, until the test ends.
func originOf(t testing.TB, by bus.Caller, where string) *Origin {
	t.Helper()
	o, err := newOrigin(by, where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	return o
}

// user is a process of him, until the test ends.
func user(t testing.TB) bus.Caller {
	t.Helper()
	harness.NeedRoot(t)
	cmd := exec.Command("sh", "-c", "echo; read line")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: userID, Gid: groupID, Groups: []uint32{also}}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return creds.Of(uint32(cmd.Process.Pid), userID, groupID)
}

// openDir is a directory that all may search.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cable")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// file makes a file of a group with a mode.
func file(t testing.TB, path, text string, gid int, mode os.FileMode) string {
	t.Helper()
	err := os.WriteFile(path, []byte(text), 0o600)
	if err == nil {
		err = os.Chown(path, 0, gid)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadFile(t *testing.T) {
	o := originOf(t, user(t), "")
	dir := openDir(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	file(t, in("all"), "secret", 0, 0o644)
	file(t, in("group"), "ours", also, 0o640)
	file(t, in("root"), "secret", 0, 0o600)
	file(t, in("longest"), strings.Repeat("x", maxFile), 0, 0o644)
	file(t, in("long"), strings.Repeat("x", maxFile+1), 0, 0o644)
	file(t, in("private"), "", 0, 0o644)
	for _, err := range []error{
		os.Symlink("all", in("link")), os.Symlink("loop", in("loop")), unix.Mkfifo(in("fifo"), 0o666), os.Chmod(in("fifo"), 0o666),
		os.Mkdir(in("closed"), 0o700), os.WriteFile(in("closed/all"), nil, 0o644), os.Symlink("/proc/self/maps", in("maps")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	open := len(lanetest.OpenFiles(t))
	for path, c := range map[string]struct {
		bytes int
		kind  fail.Kind
	}{
		in("all"): {bytes: 6}, in("link"): {bytes: 6}, in("group"): {bytes: 4}, in("longest"): {bytes: maxFile}, dir + "/../" + filepath.Base(dir) + "/all": {bytes: 6},
		in("root"): {kind: fail.Denied}, in("closed/all"): {kind: fail.Denied}, in("loop"): {kind: fail.Denied},
		in("none"): {kind: fail.Unknown}, in("all/x"): {kind: fail.Unknown},
		in("fifo"): {kind: fail.Invalid}, dir: {kind: fail.Invalid}, "/dev/null": {kind: fail.Invalid}, "/dev/zero": {kind: fail.Invalid},
		in("long"): {kind: fail.Invalid}, "all": {kind: fail.Invalid}, "": {kind: fail.Invalid}, "./all": {kind: fail.Invalid},
		"/proc/self/maps": {kind: fail.Invalid}, in("maps"): {kind: fail.Invalid}, "/proc/self/mem": {kind: fail.Invalid},
		"/proc/self/root/etc/passwd": {kind: fail.Denied}, "/proc/self/fd/0": {kind: fail.Denied}, "/proc/thread-self/cwd/x": {kind: fail.Denied},
		"/etc/shadow": {kind: fail.Denied},
	} {
		text, err := o.ReadFile(path)
		if len(text) != c.bytes || fail.KindOf(err) != c.kind {
			t.Errorf("%q: %d bytes, %v (kind %d), want %d bytes and kind %d", path, len(text), err, fail.KindOf(err), c.bytes, c.kind)
		}
	}
	if text, err := originOf(t, self(t), "").ReadFile(in("root")); string(text) != "secret" {
		t.Errorf("root reads %q, %v", text, err)
	}
	lanetest.WantOpen(t, open+2) // of the other origin
	if os.Geteuid() != 0 {
		t.Error("this thread has another's rights")
	}
}

// In another root directory paths mean what they mean there, and no way leads out.
func TestReadFileInRoot(t *testing.T) {
	harness.NeedRoot(t)
	root := openDir(t)
	in := func(name string) string { return filepath.Join(root, name) }
	file(t, in("inner"), "inner", 0, 0o644)
	outside := file(t, filepath.Join(openDir(t), "outer"), "outer", 0, 0o644)
	for at, to := range map[string]string{"abs": "/inner", "up": "../../../../inner", "out": outside} {
		if err := os.Symlink(to, in(at)); err != nil {
			t.Fatal(err)
		}
	}
	by := self(t)
	ready, done := make(chan uint32), make(chan struct{})
	var thread sync.WaitGroup
	thread.Go(func() {
		err := creds.OnOwnThread(func() error {
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
	})
	by.Rights.Thread = <-ready
	o := originOf(t, by, "")
	close(done) // it need not wait for us
	thread.Wait()
	for path, want := range map[string]string{"/inner": "inner", "/abs": "inner", "/up": "inner", "/../inner": "inner", "/out": "", outside: "", "/etc/passwd": "", "/proc/self/maps": ""} {
		if text, err := o.ReadFile(path); string(text) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

func TestDialUnix(t *testing.T) {
	o := originOf(t, user(t), "")
	dir := openDir(t)
	listen := func(name string, kind int, mode uint32) (fd int, path string) {
		t.Helper()
		path = filepath.Join(dir, name)
		fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
		}
		if err == nil && kind != unix.SOCK_DGRAM {
			err = unix.Listen(fd, 0)
		}
		if err == nil {
			err = unix.Chmod(path, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd, path
	}
	_, closed := listen("closed", unix.SOCK_STREAM, 0o755)
	all, path := listen("all", unix.SOCK_STREAM, 0o777)
	_, datagrams := listen("datagrams", unix.SOCK_DGRAM, 0o777)
	plain := file(t, filepath.Join(dir, "file"), "", 0, 0o666)
	open := len(lanetest.OpenFiles(t))
	for what, c := range map[string]struct {
		path string
		kind int
		want fail.Kind
	}{
		"his not":       {closed, unix.SOCK_STREAM, fail.Denied},
		"another kind":  {datagrams, unix.SOCK_STREAM, fail.Invalid},
		"no socket":     {plain, unix.SOCK_STREAM, fail.Invalid},
		"nothing":       {path + "x", unix.SOCK_STREAM, fail.Unknown},
		"a short path":  {"all", unix.SOCK_STREAM, fail.Invalid},
		"a magic link":  {"/proc/self/cwd/all", unix.SOCK_STREAM, fail.Denied},
		"an abstract":   {"\x00all", unix.SOCK_STREAM, fail.Invalid},
		"a long name":   {"/" + strings.Repeat("x", 300), unix.SOCK_STREAM, fail.Invalid},
		"no such a way": {path + "/x", unix.SOCK_STREAM, fail.Unknown},
	} {
		if fd, err := o.DialUnix(c.path, c.kind); fail.KindOf(err) != c.want || fd != -1 {
			t.Errorf("%s: %d, %v (kind %d)", what, fd, err, fail.KindOf(err))
		}
	}
	lanetest.WantOpen(t, open)
	fd, err := o.DialUnix(path, unix.SOCK_STREAM)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 {
		t.Error("it blocks")
	}
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("it is inherited")
	}
	peer, _, err := unix.Accept(all)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(peer)
	if is, err := unix.GetsockoptUcred(peer, unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil || is.Uid != userID || is.Gid != groupID {
		t.Errorf("the peer sees %+v, %v", is, err)
	}
	fd, err = o.DialUnix(datagrams, unix.SOCK_DGRAM)
	if err != nil {
		t.Error(err)
	}
	unix.Close(fd)
}

// Sockets are of the namespace that the cable is laid in, and made with the rights of
// who laid it. Another namespace takes root, who is told nothing else before.
func TestSocket(t *testing.T) {
	name, ns := nstest.New(t)
	by := user(t)
	for _, where := range []string{name, "none", "/root/x", "/etc/shadow", "1", fmt.Sprint(os.Getpid())} {
		if _, err := newOrigin(by, where); fail.KindOf(err) != fail.Denied || !strings.Contains(err.Error(), "takes root") {
			t.Errorf("netns=%s: %v", where, err)
		}
	}
	weak := self(t)
	weak.Rights.Effective &^= 1 << unix.CAP_SYS_ADMIN
	if _, err := newOrigin(weak, name); fail.KindOf(err) != fail.Denied {
		t.Errorf("root without CAP_SYS_ADMIN: %v", err)
	}
	if _, err := newOrigin(self(t), "none"); fail.KindOf(err) != fail.Unknown {
		t.Errorf("there is no such: %v", err)
	}
	home, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	for _, c := range []struct {
		o    *Origin
		want netns.ID
		raw  bool
	}{
		{originOf(t, self(t), name), ns.ID(), true},
		{originOf(t, self(t), ""), home.ID(), true},
		{originOf(t, by, ""), home.ID(), false},
	} {
		fd, err := c.o.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		in, err := unix.IoctlRetInt(fd, unix.SIOCGSKNS)
		unix.Close(fd)
		if err != nil {
			t.Fatal(err)
		}
		is, err := netns.FromFD(in)
		if err != nil {
			t.Fatal(err)
		}
		is.Close()
		if is.ID() != c.want || c.o.NS().ID() != c.want {
			t.Errorf("the socket is in %v, want %v", is.ID(), c.want)
		}
		fd, err = c.o.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if (err == nil) != c.raw || err != nil && !errors.Is(err, unix.EPERM) {
			t.Errorf("uid %d makes a packet socket: %v", c.o.By.UID, err)
		}
		unix.Close(fd)
	}
}

// So many threads act for a user at once, and others are not held up.
func TestDoLimits(t *testing.T) {
	o := originOf(t, self(t), "")
	release := make(chan struct{})
	var all, begun sync.WaitGroup
	begun.Add(maxThreads)
	for range maxThreads {
		all.Go(func() {
			_ = o.Do(func() error { begun.Done(); <-release; return nil })
		})
	}
	begun.Wait()
	another := o.By
	another.UID++ // whose slots are others, though his rights cannot be taken on here
	if err := originOf(t, another, "").Do(func() error { return nil }); err != nil && os.Geteuid() == 0 {
		t.Errorf("another user: %v", err)
	}
	waiting := originOf(t, o.By, "")
	done := make(chan error)
	go func() { done <- waiting.Do(func() error { t.Error("one thread more acts"); return nil }) }()
	bustest.WaitFor(t, "it to wait", func() bool {
		acting.Lock()
		defer acting.Unlock()
		return acting.users[o.By.UID].users == maxThreads+1
	})
	waiting.close()
	if err := <-done; fail.KindOf(err) != fail.Gone {
		t.Errorf("its cable has ended: %v", err)
	}
	close(release)
	all.Wait()
	var now, most atomic.Int64
	for range 3 * maxThreads {
		all.Go(func() {
			_ = o.Do(func() error {
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				runtime.Gosched()
				now.Add(-1)
				return nil
			})
		})
	}
	all.Wait()
	if most.Load() > maxThreads || len(acting.users) != 0 {
		t.Errorf("%d acted at once, %d users are known", most.Load(), len(acting.users))
	}
}

// Who waits for a file system that never answers waits as long as the cable lives. What
// comes late is given back, and the namespace stays open until then.
func TestTryGivesUp(t *testing.T) {
	o, err := newOrigin(self(t), "")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave, dropped := make(chan struct{}), make(chan struct{}), make(chan int)
	time.AfterFunc(0, func() {
		<-entered
		o.close()
	})
	value, err := try(o, func() (int, error) { close(entered); <-leave; return 7, nil }, func(n int) { dropped <- n })
	if value != 0 || fail.KindOf(err) != fail.Gone {
		t.Errorf("it came to %d, %v", value, err)
	}
	if _, err := unix.FcntlInt(uintptr(o.ns.FD()), unix.F_GETFD, 0); err != nil {
		t.Errorf("the namespace is closed: %v", err)
	}
	close(leave)
	if n := <-dropped; n != 7 {
		t.Errorf("%d was given back", n)
	}
	if o.acting != 0 || o.ns.FD() >= 0 {
		t.Errorf("%d act; the namespace is open: %d", o.acting, o.ns.FD())
	}
	if err := o.Do(func() error { t.Error("it acts"); return nil }); fail.KindOf(err) != fail.Gone {
		t.Errorf("behind the end: %v", err)
	}
}
