package cmd

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"ipnfs/bus"
	"ipnfs/cable/cabletest"
)

// Who stops his processes as soon as there are any stops no more than those: until a new one
// is on its own, this process waits for it.
func TestStopped(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this test needs root")
	}
	const uid = 54321
	stops := exec.Command("/bin/sh", "-c", "echo; while :; do kill -STOP -1; done 2>/dev/null")
	stops.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Pdeathsig: syscall.SIGKILL}
	said, err := stops.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stops.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stops.Process.Kill()
		_ = stops.Wait()
	}()
	if _, err := said.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	l := cabletest.New(t)
	by := cabletest.Self(t)
	by.UID, by.GID = uid, uid
	by.Rights = bus.Credentials{Known: true, UID: uid, GID: uid, Thread: by.Rights.Thread}
	for range 50 {
		if err := l.AttachAs(by, "cmd://cat"); err != nil {
			t.Fatal(err)
		}
		runtime.GC() // waits for all threads of Go's
	}
	_ = stops.Process.Kill()
	var all sync.WaitGroup
	for _, name := range l.Names() {
		all.Go(func() { l.Remove(t, name) })
	}
	all.Wait()
}
