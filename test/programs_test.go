package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"ipnfs/fs/devfuse"
	"ipnfs/test/harness"
)

// patience is how long eventually tries, and pause how long it waits between
// two tries.
const (
	patience = harness.Deadline
	pause    = 10 * time.Millisecond
)

// asUser is "asuser UID:GID[,GROUP...] COMMAND...": the command as another
// user, with no groups but these.
func asUser() {
	if len(os.Args) < 3 {
		die("usage: asuser UID:GID[,GROUP...] COMMAND...")
	}
	uid, groups, _ := strings.Cut(os.Args[1], ":")
	path := look(os.Args[2])
	var gids []int
	for _, g := range strings.Split(groups, ",") {
		gids = append(gids, number(g))
	}
	check(syscall.Setgroups(gids[1:]))
	check(syscall.Setgid(gids[0]))
	check(syscall.Setuid(number(uid)))
	check(unix.Exec(path, os.Args[2:], os.Environ()))
}

// aside is "aside COMMAND...": the command with mounts of its own, among
// which there is no ipnfs. What it mounts nobody else sees.
func aside() {
	if len(os.Args) < 2 {
		die("usage: aside COMMAND...")
	}
	path := look(os.Args[1])
	runtime.LockOSThread()
	check(unix.Unshare(unix.CLONE_NEWNS))
	check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter(devfuse.FSType))
	check(err)
	for _, m := range mounts {
		_ = unix.Unmount(m.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) // fails if it is hidden by another
	}
	check(unix.Exec(path, os.Args[1:], os.Environ()))
}

// eventually is "eventually COMMAND...": the command again and again until it
// succeeds. It shows what the last try printed.
func eventually() {
	if len(os.Args) < 2 {
		die("usage: eventually COMMAND...")
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		var out bytes.Buffer
		cmd := exec.Command(os.Args[1], os.Args[2:]...)
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		if err == nil || time.Now().After(deadline) {
			_, _ = out.WriteTo(os.Stdout)
			check(err)
			return
		}
	}
}

// daemonOf is "daemonof DIR": prints the process that serves DIR.
func daemonOf() {
	if len(os.Args) != 2 {
		die("usage: daemonof DIR")
	}
	pids := daemons(func(dir string) bool { return dir == os.Args[1] })
	if len(pids) != 1 {
		die(fmt.Sprintf("the processes that serve %s are %v", os.Args[1], pids))
	}
	fmt.Println(pids[0])
}

// daemons finds the processes of ipnfs by the directory that they serve,
// which is the last word of their command.
func daemons(match func(dir string) bool) (pids []int) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		text, _ := os.ReadFile(path)
		words := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		if filepath.Base(words[0]) == "ipnfs" && match(words[len(words)-1]) {
			pids = append(pids, number(strings.Split(path, "/")[2]))
		}
	}
	return pids
}

func look(name string) string {
	path, err := exec.LookPath(name)
	check(err)
	return path
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		die(err.Error())
	}
}

func die(text string) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", os.Args[0], text)
	os.Exit(125)
}
