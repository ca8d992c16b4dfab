package cmd

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/cable"
)

// namespaces that a command is put into, in this order: that of mounts is the last, as
// then /proc is another.
var namespaces = []struct {
	name string
	flag int
}{
	{"cgroup", unix.CLONE_NEWCGROUP}, {"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS},
	{"pid", unix.CLONE_NEWPID}, {"mnt", unix.CLONE_NEWNS},
}

// place is where a caller is, and what confines him.
type place struct {
	origin *cable.Origin
	enter  []namespace // those that are not this process's own
	root   int         // O_PATH of his root directory
	cgroup int         // of his cgroup; -1: unknown
	limits string      // shell commands that set his resource limits
	env    []string
}

type namespace struct{ fd, flag int }

// findPlace asks /proc about the caller, who waits. Nobody may leave by a command what
// confines him and cannot be given to it.
func findPlace(o *cable.Origin) (*place, error) {
	proc := fmt.Sprintf("/proc/%d/", o.By.Rights.Thread)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return nil, fail.Errorf(fail.Denied, "cmd: what confines this process is unknown")
	}
	if mode := field(string(status), "Seccomp"); mode != "0" {
		return nil, fail.Errorf(fail.Denied, "cmd: this process has a filter of system calls (seccomp), which a command of the cable would not have")
	}
	for _, name := range []string{"user", "time"} {
		if same, err := sameNamespace(proc, name); err != nil && name == "user" || err == nil && !same {
			return nil, fail.Errorf(fail.Denied, "cmd: this process is in a %s namespace of its own, which a command of the cable would not be in", name)
		}
	}
	p := &place{origin: o, root: -1, cgroup: -1}
	if err := p.find(proc); err != nil {
		p.close()
		return nil, fail.Errorf(fail.Denied, "cmd: where this process is cannot be told: %v", err)
	}
	limits, _ := os.ReadFile(proc + "limits")
	p.limits = ulimits(string(limits))
	passwd, _ := o.ReadFile("/etc/passwd")
	p.env = environment(passwd, o.By.UID)
	return p, nil
}

// find opens what is left of a place when the caller has gone.
func (p *place) find(proc string) (err error) {
	for _, n := range namespaces {
		same, err := sameNamespace(proc, n.name)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		fd, err := unix.Open(proc+"ns/"+n.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		p.enter = append(p.enter, namespace{fd, n.flag})
	}
	if p.root, err = unix.Open(proc+"root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	groups, _ := os.ReadFile(proc + "cgroup")
	for line := range strings.Lines(string(groups)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			if fd, err := unix.Open("/sys/fs/cgroup"+path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
				p.cgroup = fd
			}
		}
	}
	return nil
}

func (p *place) close() {
	for _, n := range p.enter {
		_ = unix.Close(n.fd)
	}
	for _, fd := range []int{p.root, p.cgroup} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// sameNamespace tells whether a thread is in the same namespace of that kind as this one.
func sameNamespace(proc, name string) (bool, error) {
	theirs, err := os.Stat(proc + "ns/" + name)
	if err != nil {
		return false, err
	}
	ours, err := os.Stat("/proc/thread-self/ns/" + name)
	return err == nil && os.SameFile(theirs, ours), err
}

// field finds a line of /proc/PID/status.
func field(status, name string) string {
	for line := range strings.Lines(status) {
		if key, value, _ := strings.Cut(line, ":"); key == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// ulimitOptions are the options of the shell's ulimit, by the beginning of a line in
// /proc/PID/limits, and their units in bytes or whatever is counted (POSIX).
var ulimitOptions = []struct {
	line, option string
	unit         uint64
}{
	{"Max cpu time", "t", 1}, {"Max file size", "f", 512}, {"Max data size", "d", 1024}, {"Max stack size", "s", 1024},
	{"Max core file size", "c", 512}, {"Max processes", "p", 1}, {"Max open files", "n", 1}, {"Max locked memory", "l", 1024},
	{"Max address space", "v", 1024},
}

// ulimits makes shell commands of /proc/PID/limits. What a shell does not know, and what
// would be more than this process may give, stays as it is.
func ulimits(limits string) string {
	var b strings.Builder
	for line := range strings.Lines(limits) {
		for _, o := range ulimitOptions {
			rest, ok := strings.CutPrefix(line, o.line+" ")
			values := strings.Fields(rest)
			if !ok || len(values) < 2 {
				continue
			}
			for i, kind := range []string{"S", "H"} { // what is soft is not above what is hard
				value := values[i]
				if n, err := strconv.ParseUint(value, 10, 64); err == nil {
					value = strconv.FormatUint(n/o.unit, 10)
				} else if value != "unlimited" {
					continue
				}
				fmt.Fprintf(&b, "ulimit -%s%s %s 2>/dev/null", kind, o.option, value)
				if o.option == "p" { // is of pipes in bash
					fmt.Fprintf(&b, "||ulimit -%su %s 2>/dev/null", kind, value)
				}
				b.WriteByte(';')
			}
		}
	}
	return b.String()
}

// environment is what a command finds: nothing of this process's.
func environment(passwd []byte, uid uint32) []string {
	id := strconv.FormatUint(uint64(uid), 10)
	name, home, shell := id, "/", "/bin/sh"
	for line := range bytes.Lines(passwd) {
		f := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(f) == 7 && f[2] == id && !strings.Contains(f[0]+f[5]+f[6], "\x00") {
			name, home = f[0], f[5]
			if f[6] != "" {
				shell = f[6]
			}
			break
		}
	}
	path := "/usr/local/bin:/usr/bin:/bin"
	if uid == 0 {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return []string{"PATH=" + path, "HOME=" + home, "USER=" + name, "LOGNAME=" + name, "SHELL=" + shell, "LANG=C"}
}
