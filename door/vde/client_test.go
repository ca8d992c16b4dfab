package vde

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/iface/nstest"
	"ipnfs/lane/vdeplug"
)

// A client is reached wherever he lives, if his socket is his own.
func TestWhereClientsLive(t *testing.T) {
	nstest.NeedRoot(t)
	user := &syscall.Credential{Uid: 1234, Gid: 2345}
	mappedRoot := &syscall.Credential{NoSetGroups: true}
	tmp := openDir(t)
	for what, c := range map[string]struct {
		attr  syscall.SysProcAttr
		own   string // without a slash: in the network's directory
		tmpfs bool
	}{
		"root":                           {syscall.SysProcAttr{}, "own", false},
		"a user":                         {syscall.SysProcAttr{Credential: user}, "own", false},
		"abstract":                       {syscall.SysProcAttr{}, "@ipnfs-test-root", false},
		"a user, abstract":               {syscall.SysProcAttr{Credential: user}, "@ipnfs-test-user", false},
		"another network namespace":      {syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}, "own", false},
		"another one, abstract":          {syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}, "@ipnfs-test-far", false},
		"a user in another, abstract":    {syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Credential: user}, "@ipnfs-test-far", false},
		"another mount namespace":        {syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}, tmp + "/own", true},
		"a relative path":                {syscall.SysProcAttr{}, "./ipnfs-test-relative", false},
		"another user namespace":         {syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET, UidMappings: mapped(1234), GidMappings: mapped(2345), Credential: mappedRoot}, "own", false},
		"another user namespace, mounts": {syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS, UidMappings: mapped(1234), GidMappings: mapped(2345), Credential: mappedRoot}, tmp + "/own", true},
	} {
		t.Run(what, func(t *testing.T) {
			l := newLab(t)
			here := l.join(t, 0, "")
			own, env := c.own, []string{}
			if !strings.ContainsAny(own, "@/") {
				own = l.dir + "/" + own
			}
			if c.tmpfs {
				env = append(env, childFS+"="+tmp)
			}
			p := l.start(t, &c.attr, own, env...)
			if said := p.line(); said != "joined\n" {
				t.Fatalf("%q; %v", said, l.errs)
			}
			if got := here.receive(t); len(got) != 77 {
				t.Errorf("%d bytes came", len(got))
			}
			here.sends(t, make([]byte, 99))
			if said := p.line(); said != "99 <nil>\n" {
				t.Errorf("%q", said)
			}
			// A client that is killed has left.
			if err := p.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			l.ports(t, 1)
		})
	}
}

// mapped makes root of an id.
func mapped(id int) []syscall.SysProcIDMap {
	return []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
}

// Of whom /proc says nothing, or another thing, is reached where we live only.
func TestUnknownClient(t *testing.T) {
	l := newLab(t)
	l.let(true, true, false)
	l.join(t, 0, "")
	l.ports(t, 1)
	l.says(t, ask(0, vdeplug.AddressOf("relative"), ""))
	if err := l.refusal(t); fail.KindOf(err) != fail.Denied || !strings.Contains(err.Error(), "absolute") {
		t.Error(err)
	}
}

// The socket of another is no address: neither of root nor of a user, by a path, by
// a link to it or by an abstract name, nor one that he cannot get at.
func TestOthersSocket(t *testing.T) {
	nstest.NeedRoot(t)
	l := newLab(t)
	bind := func(name string, uid, mode int) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := vdeplug.AddressOf(name).Bind(fd); err != nil {
			t.Fatal(err)
		}
		if name[0] != 0 {
			if err := errors.Join(os.Chown(name, uid, -1), os.Chmod(name, os.FileMode(mode))); err != nil {
				t.Fatal(err)
			}
		}
	}
	bind(l.dir+"/roots", 0, 0o777)
	bind(l.dir+"/theirs", 4321, 0o777)
	abstract := fmt.Sprintf("\x00ipnfs-test-%d", os.Getpid())
	bind(abstract, 0, 0)
	if err := os.Symlink(l.dir+"/roots", l.dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.dir+"/secret", 0o700); err != nil {
		t.Fatal(err)
	}
	bind(l.dir+"/secret/own", 1234, 0o777)
	for own, want := range map[string]string{
		l.dir + "/roots":      "is uid 0's, and not that of uid 1234",
		l.dir + "/theirs":     "is uid 4321's, and not that of uid 1234",
		l.dir + "/link":       "is uid 0's, and not that of uid 1234",
		l.dir + "/secret/own": "permission denied",
		abstract:              "is uid 0's, and not that of uid 1234",
	} {
		as(t, 1234, func() { l.says(t, ask(0, vdeplug.AddressOf(own), "")) })
		if err := l.refusal(t); fail.KindOf(err) != fail.Denied || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", own, err)
		}
	}
	if p := l.Net.Ports(); len(p) != 0 {
		t.Errorf("ports %v", p)
	}
}

// as runs f on a thread that is another user's, as connect(2) tells the listener.
func as(t *testing.T, uid uint32, f func()) {
	t.Helper()
	err := creds.OnOwnThread(func() error {
		err := creds.Assume(bus.Credentials{UID: uid, GID: uid})
		if err == nil {
			f()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The kernel's answers are read with care.
func FuzzDiag(f *testing.F) {
	answer := make([]byte, unix.SizeofNlMsghdr+diagMessageLen)
	binary.NativeEndian.PutUint16(answer[4:], sockDiagByFamily)
	f.Add(append(answer, 8, 0, attrUID, 0, 1, 2, 3, 4), uint16(attrUID))
	f.Add(append(answer, 5, 0, 6, 0, 1, 0, 0, 0, 8, 0, attrUID, 0, 1, 2, 3, 4), uint16(attrUID))
	f.Add(append(answer, 0, 0, 0, 0), uint16(attrPeer))
	f.Fuzz(func(_ *testing.T, b []byte, attr uint16) { _, _ = parseDiag(b, attr) })
}

func TestParseDiag(t *testing.T) {
	head := make([]byte, unix.SizeofNlMsghdr+diagMessageLen)
	binary.NativeEndian.PutUint16(head[4:], sockDiagByFamily)
	with := func(b ...byte) []byte { return append(head[:len(head):len(head)], b...) }
	uid := binary.NativeEndian.AppendUint32(with(5, 0, 6, 0, 9, 0, 0, 0, 8, 0, attrUID, 0), 1234)
	if got, err := parseDiag(uid, attrUID); got != 1234 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	refused := make([]byte, unix.SizeofNlMsghdr+4)
	binary.NativeEndian.PutUint16(refused[4:], unix.NLMSG_ERROR)
	var errno = -int32(unix.ENOENT)
	binary.NativeEndian.PutUint32(refused[unix.SizeofNlMsghdr:], uint32(errno))
	if _, err := parseDiag(refused, attrUID); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
	for what, b := range map[string][]byte{
		"nothing": nil, "no attribute": head, "another": with(8, 0, attrPeer, 0, 1, 2, 3, 4),
		"of no length": with(0, 0, attrUID, 0), "too long": with(12, 0, attrUID, 0, 1, 2, 3, 4), "too short": with(6, 0, attrUID, 0, 1, 2, 0, 0),
		"a done": make([]byte, 20),
	} {
		if got, err := parseDiag(b, attrUID); err != errNoAnswer {
			t.Errorf("%s: %d, %v", what, got, err)
		}
	}
}
