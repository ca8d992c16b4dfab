package devfuse

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Private returns a descriptor (O_PATH) of the root directory of what is mounted
// on dir, on another mount of it that nobody sees. That mount is there until the
// descriptor and what was opened by it are closed, and does not keep the one on dir
// from being unmounted. The file system itself goes on until both have gone.
//
// Who may not clone a mount gets it from a process in a mount namespace of its own,
// which user namespaces allow to everybody.
func Private(dir string) (fd int, err error) {
	fd, err = unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if errors.Is(err, unix.EPERM) {
		return privateByNamespace(dir)
	}
	return fd, os.NewSyscallError("open_tree", err)
}

func privateByNamespace(dir string) (fd int, err error) {
	child := exec.Command("/bin/sh", "-c", "read wait")
	end, err := child.StdinPipe()
	if err != nil {
		return -1, err
	}
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
	}
	if err := child.Start(); err != nil {
		return -1, fmt.Errorf("a user namespace: %w", err)
	}
	fd, err = unix.Open(fmt.Sprintf("/proc/%d/root%s", child.Process.Pid, dir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	_ = end.Close()
	_ = child.Wait()
	return fd, os.NewSyscallError("open", err)
}
