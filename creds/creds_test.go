package creds

import (
	"bufio"
	"os/exec"
	"reflect"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// child starts a process that waits until the test ends.
func child(t *testing.T, attr *syscall.SysProcAttr) uint32 {
	t.Helper()
	cmd := exec.Command("sh", "-c", "echo; read line")
	cmd.SysProcAttr = attr
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
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return uint32(cmd.Process.Pid)
}

func TestOf(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("this test needs root")
	}
	if got := Of(child(t, nil), 0, 0).Rights; !got.Known || !got.Can(unix.CAP_NET_ADMIN) {
		t.Errorf("root is %+v", got)
	}
	user := child(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 5, Gid: 6, Groups: []uint32{7, 70000}}})
	want := bus.Credentials{UID: 5, GID: 6, Groups: []int{7, 70000}, Known: true, Thread: user}
	got := Of(user, 5, 6)
	if !reflect.DeepEqual(got.Rights, want) {
		t.Errorf("a user is %+v, want %+v", got.Rights, want)
	}
	if got.UID != 5 || got.GID != 6 || got.PID != user || got.Comm != "sh" || got.Since.IsZero() {
		t.Errorf("a user is %+v", got.Info)
	}
	// What is all-powerful in a user namespace of its own is nothing here.
	mapped := child(t, &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{Size: 1}},
	})
	if got := Of(mapped, 0, 0).Rights; !got.Known || got.Effective != 0 {
		t.Errorf("root of another user namespace is %+v", got)
	}
	for _, thread := range []uint32{0, 1 << 30} {
		got := Of(thread, 0, 0)
		if !reflect.DeepEqual(got.Rights, bus.Credentials{}) || got.PID != thread || got.Comm != "" {
			t.Errorf("thread %d, which cannot be asked, is %+v", thread, got)
		}
	}
}

// Info names the process of a thread, and Of as Info does.
func TestInfo(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := uint32(unix.Gettid())
	got, all := Info(thread, 5, 6), Of(thread, 5, 6).Info
	got.Since, all.Since = time.Time{}, time.Time{}
	if got != all || got.PID != uint32(unix.Getpid()) || got.UID != 5 || got.GID != 6 || got.Comm == "" {
		t.Errorf("this thread is %+v, and by Of %+v", got, all)
	}
}

func FuzzStatus(f *testing.F) {
	f.Add("Name:\tx\nCapEff:\t000001ffffffffff\nGroups:\t1 2 4294967295 \n")
	f.Add("CapEff\nGroups:x 1 -1 99999999999\n")
	f.Fuzz(func(t *testing.T, status string) {
		_, gids := parseStatus(status)
		for _, gid := range gids {
			if gid < 0 || gid > 1<<32-1 {
				t.Errorf("group %d", gid)
			}
		}
	})
}

func TestParseStatus(t *testing.T) {
	caps, gids := parseStatus("Name:\tCapEff: 1\nUmask:\t0022\nGroups:\t4 24 4000000000 \nCapPrm:\t0000000000000001\nCapEff:\t000001fffeffffff\n")
	if caps != 0x1fffeffffff || !reflect.DeepEqual(gids, []int{4, 24, 4000000000}) {
		t.Errorf("read as %x, %v", caps, gids)
	}
	if caps, gids := parseStatus(""); caps != 0 || gids != nil {
		t.Errorf("nothing is read as %x, %v", caps, gids)
	}
}
