package cmd

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/cable/cabletest"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // as a mount does
	goleak.VerifyTestMain(m)
}

// What a command sends comes, and it gets what is for it; when it is taken off nothing is
// left.
func TestFrames(t *testing.T) {
	l := cabletest.New(t)
	open := len(lanetest.OpenFiles(t))
	l.Lay(t, "cmd://cat", "state=up")
	for i := range 50 {
		want := lanetest.Frame(1, i)
		bustest.Send(l.Peer, want)
		if got := l.Frames(t, i+1)[i]; !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came, want %d", len(got), len(want))
		}
	}
	l.Remove(t, "cmd0")
	bustest.WaitFor(t, "descriptors to be closed", func() bool { return len(lanetest.OpenFiles(t)) <= open })
}

// People are told how a command ended, and what it said.
func TestEnd(t *testing.T) {
	for command, want := range map[string]string{
		"exit 3":                               "exited with status 3",
		"kill -9 $$":                           "ended by a signal: killed",
		"no-such-command":                      "exited with status 127",
		"exec >/dev/null; exit 4":              "exited with status 4",
		`printf '\377\377'; sleep 0.1; exit 5`: "exited with status 5",
	} {
		l := cabletest.New(t)
		l.Lay(t, "cmd://"+command, want)
		l.Remove(t, "cmd0")
	}
}

// Commands that do not want to end do.
func TestUnwilling(t *testing.T) {
	for what, command := range map[string]string{
		"ignores signals":   `trap "" TERM HUP INT; echo $$ >FILE; while :; do sleep 9; done`,
		"in the background": `sleep 999 & echo $! >FILE; wait`,
		"floods":            `echo $$ >FILE; while :; do echo more and more >&2; done`,
		"is stopped":        `echo $$ >FILE; kill -STOP $$`,
	} {
		t.Run(what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			l := cabletest.New(t)
			l.Lay(t, "cmd://"+strings.ReplaceAll(command, "FILE", file), "state=up")
			var pid string
			bustest.WaitFor(t, "the command to run", func() bool {
				text, _ := os.ReadFile(file)
				pid = strings.TrimSpace(string(text))
				return pid != ""
			})
			for i := range 1000 { // it reads nothing
				bustest.Send(l.Peer, lanetest.Frame(1, i))
			}
			l.Remove(t, "cmd0")
			bustest.WaitFor(t, "process "+pid+" to end", func() bool {
				status, err := os.ReadFile("/proc/" + pid + "/status")
				return err != nil || strings.HasPrefix(field(string(status), "State"), "Z")
			})
		})
	}
}

// A command in the background of one that has ended is ended, too.
func TestLeftBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	l := cabletest.New(t)
	l.Lay(t, "cmd://sleep 999 & echo $! >"+file+"; exit 6", "exited with status 6")
	l.Remove(t, "cmd0")
	pid, _ := os.ReadFile(file)
	bustest.WaitFor(t, "the rest to end", func() bool {
		status, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/status")
		return err != nil || strings.HasPrefix(field(string(status), "State"), "Z")
	})
}

// A command finds an environment of its own, no descriptors, and has a user's ids, no
// capabilities and no way to more.
func TestRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this test needs root")
	}
	dir := t.TempDir()
	for _, up := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(up, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SECRET", "x")
	self := cabletest.Self(t)
	for name, rights := range map[string]bus.Credentials{
		"user": {UID: 1234, GID: 2345, Groups: []int{7, 70000}},
		"root": {UID: 0, GID: 3, Groups: []int{8}, Effective: 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_CHROOT},
	} {
		l := cabletest.New(t)
		by := self
		rights.Known, rights.Thread = true, self.Rights.Thread
		by.UID, by.GID, by.Rights = rights.UID, rights.GID, rights
		file := filepath.Join(dir, name)
		if err := l.AttachAs(by, "cmd://{ pwd; umask; env; cat /proc/self/status; ls /proc/self/fd; echo; } >"+file+" </dev/null; sleep 99"); err != nil {
			t.Fatal(err)
		}
		var text []byte
		bustest.WaitFor(t, "the command to tell", func() bool {
			text, _ = os.ReadFile(file)
			return bytes.HasSuffix(text, []byte("\n\n"))
		})
		ids, groups, caps := "Uid:\t1234\t1234\t1234\t1234\nGid:\t2345\t2345\t2345\t2345\n", "Groups:\t7 70000 ", "0000000000000000"
		if name == "root" {
			ids, groups, caps = "Uid:\t0\t0\t0\t0\nGid:\t3\t3\t3\t3\n", "Groups:\t8 ", "0000000000042000"
		}
		for _, want := range []string{"/\n0022\n", "LANG=C\n", "PATH=", ids, groups, "CapPrm:\t" + caps, "CapEff:\t" + caps, "CapInh:\t0000000000000000", "NoNewPrivs:\t1", "\n0\n1\n2\n3\n\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q in %s", name, want, text)
			}
		}
		if strings.Contains(string(text), "SECRET") {
			t.Errorf("%s: the environment is this process's", name)
		}
		for _, c := range l.Names() {
			l.Remove(t, c)
		}
	}
}

func TestEnvironment(t *testing.T) {
	passwd := []byte("root:x:0:0:root:/root:/bin/bash\nbroken\nann:x:7:7::/home/ann:\n")
	for uid, want := range map[uint32][]string{
		0: {"HOME=/root", "USER=root", "SHELL=/bin/bash"},
		7: {"HOME=/home/ann", "LOGNAME=ann", "SHELL=/bin/sh"},
		8: {"HOME=/", "USER=8", "SHELL=/bin/sh"},
	} {
		got := environment(passwd, uid)
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("uid %d: no %s in %q", uid, w, got)
			}
		}
	}
}

func TestUlimits(t *testing.T) {
	const limits = "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max open files            1024                 4096                 files     \n" +
		"Max processes             10                   unlimited            processes \n" +
		"Max stack size            8388608              unlimited            bytes     \n" +
		"Max open files            $(reboot)            1                    files     \n"
	const want = "ulimit -Sn 1024 2>/dev/null;ulimit -Hn 4096 2>/dev/null;" +
		"ulimit -Sp 10 2>/dev/null||ulimit -Su 10 2>/dev/null;ulimit -Hp unlimited 2>/dev/null||ulimit -Hu unlimited 2>/dev/null;" +
		"ulimit -Ss 8192 2>/dev/null;ulimit -Hs unlimited 2>/dev/null;ulimit -Hn 1 2>/dev/null;"
	if got := ulimits(limits); got != want {
		t.Errorf("%s", got)
	}
}

// Of what floods a few lines are told, and how many more there were.
func TestFollow(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range 1000 {
			_, _ = w.WriteString("a line\x1b\n")
		}
		w.Close()
	}()
	var told []string
	follow(r, func(err error) { told = append(told, err.Error()) })
	if len(told) < maxLines+1 || len(told) > 100 || told[0] != "a line?" || !strings.HasSuffix(told[len(told)-1], " more lines") {
		t.Errorf("%q", told)
	}
}

// Who is confined by what a command would not be lays none.
func TestSandbox(t *testing.T) {
	l := cabletest.New(t)
	by := cabletest.Self(t)
	done, pid := sandboxed(t)
	defer done()
	by.Rights.Thread = pid
	if err := l.AttachAs(by, "cmd://cat"); err == nil || !strings.Contains(err.Error(), "user namespace") {
		t.Error(err)
	}
}

// A user has so many commands at once, and the place of one that has ended is another's.
func TestRunning(t *testing.T) {
	uid := cabletest.Self(t).UID
	l := cabletest.New(t)
	l.Lay(t, "cmd://cat", "state=up")
	for running.add(uid) == nil {
	}
	l.Lay(t, "cmd://cat", "commands already")
	running.done(uid)
	l.Await(t, "cmd1 port=3 state=up")
	l.Remove(t, "cmd0")
	l.Remove(t, "cmd1")
	for range maxRunning - 2 {
		running.done(uid)
	}
	bustest.WaitFor(t, "all to be over", func() bool {
		running.mu.Lock()
		defer running.mu.Unlock()
		return len(running.of) == 0
	})
}
