package devfuse

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// FSType is the type that the mount table shows.
const FSType = "fuse.ipnfs"

// MountOptions say how to mount.
type MountOptions struct {
	Source     string // first column of the mount table
	AllowOther bool   // let users other than the mounter in
	Exec       bool   // let files be executed; a port that is executed would be joined
}

// Mount mounts a new connection on dir and returns its device. A caller
// without the right to mount is served by fusermount3, if it is installed.
func Mount(dir string, o MountOptions) (fd int, err error) {
	fd, err = mountDirect(dir, o)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return mountByHelper(dir, o)
	}
	return fd, err
}

func (o MountOptions) common() []string {
	list := []string{"default_permissions", fmt.Sprintf("max_read=%d", MaxWrite)}
	if o.AllowOther {
		list = append(list, "allow_other")
	}
	return list
}

func mountDirect(dir string, o MountOptions) (int, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/fuse: %w", err)
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if o.Exec {
		flags &^= unix.MS_NOEXEC
	}
	data := append(o.common(), fmt.Sprintf("fd=%d", fd), "rootmode=40000",
		fmt.Sprintf("user_id=%d", os.Geteuid()), fmt.Sprintf("group_id=%d", os.Getegid()))
	if err := unix.Mount(o.Source, dir, FSType, flags, strings.Join(data, ",")); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("mount: %w", err)
	}
	return fd, nil
}

// Helper returns the path of fusermount3, which mounts for ordinary users.
func Helper() (string, error) {
	for _, name := range []string{"fusermount3", "/bin/fusermount3", "/usr/bin/fusermount3"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("fusermount3 is not installed (package fuse3): only root can mount without it")
}

// mountByHelper lets fusermount3 mount; it passes the device back by a socket
// (libfuse's protocol, environment variable _FUSE_COMMFD).
func mountByHelper(dir string, o MountOptions) (int, error) {
	helper, err := Helper()
	if err != nil {
		return -1, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	list := append(o.common(), "nosuid", "nodev", "subtype=ipnfs", "fsname="+strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(o.Source))
	if !o.Exec {
		list = append(list, "noexec")
	}
	cmd := exec.Command(helper, "-o", strings.Join(list, ","), "--", dir)
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	cmd.ExtraFiles = []*os.File{theirs}
	var said strings.Builder
	cmd.Stderr = &said
	err = cmd.Run()
	theirs.Close()
	if err != nil {
		return -1, fmt.Errorf("%s (%w)", strings.TrimSpace(said.String()), err)
	}
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[0], make([]byte, 8), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fusermount3 passed no device: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("fusermount3 passed no device")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("fusermount3 passed no device")
	}
	return fds[0], nil
}

// Unmount unmounts dir; lazy: even if files are open, which then go on until
// they are closed.
func Unmount(dir string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	err := unix.Unmount(dir, flags)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	helper, helperErr := Helper()
	if helperErr != nil {
		return err
	}
	args := []string{"-u"}
	if lazy {
		args = append(args, "-z")
	}
	out, err := exec.Command(helper, append(args, "--", dir)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s (%w)", strings.TrimSpace(string(out)), err)
	}
	return nil
}
