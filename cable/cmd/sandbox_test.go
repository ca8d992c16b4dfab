package cmd

import (
	"os/exec"
	"syscall"
	"testing"
)

// sandboxed is a process in a user namespace of its own.
func sandboxed(t *testing.T) (end func(), pid uint32) {
	t.Helper()
	cmd := exec.Command("sleep", "99")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		t.Skip("no user namespaces: ", err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, uint32(cmd.Process.Pid)
}
