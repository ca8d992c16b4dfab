package cmd

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
)

// start starts the command, whose standard input and output are socket, which it owns.
// tell gets what it says, and ended why it has ended, once.
func (d *dialer) start(socket int, tell, ended func(error)) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		_ = unix.Close(socket)
		return nil, err
	}
	life, hold, err := os.Pipe()
	if err != nil {
		r.Close()
		w.Close()
		_ = unix.Close(socket)
		return nil, err
	}
	// The other end stays open here, so that the link lives until the command ends, and
	// people are told how.
	far := os.NewFile(uintptr(socket), "frames")
	p := &process{over: make(chan struct{})}
	started := make(chan error, 1)
	// The thread lives as long as the command: with it, that ends (PR_SET_PDEATHSIG), and
	// with hold what else is in its group.
	go func() {
		_ = creds.OnOwnThread(func() error {
			defer far.Close()
			defer hold.Close()
			child, err := d.spawn(far, w, life)
			w.Close()
			life.Close()
			if err != nil {
				r.Close()
				started <- err
				return nil
			}
			p.pid = child.Pid
			started <- nil
			said := make(chan struct{})
			go func() {
				defer close(said)
				follow(r, tell)
			}()
			why := p.wait(child, r)
			<-said
			close(p.over)
			ended(why)
			return nil
		})
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// script is what the shell does of which the command becomes the process: somebody waits
// for the end of ipnfs, however that comes, to end the group.
const script = `{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & exec 3<&-; exec /bin/sh -c "$0"`

// spawn takes this thread to where the caller is, and starts the command there.
func (d *dialer) spawn(far, stderr, life *os.File) (*os.Process, error) {
	by := d.place.origin.By.Rights
	if us := os.Geteuid(); us != 0 && uint32(us) != by.UID {
		return nil, fail.Errorf(fail.Denied, "ipnfs runs as uid %d and cannot act for uid %d", us, by.UID)
	}
	if err := d.place.take(); err != nil {
		return nil, fail.Errorf(fail.Denied, "entering the namespaces of uid %d: %v", by.UID, err)
	}
	attr := &os.ProcAttr{
		Dir: "/", Env: d.place.env, Files: []*os.File{far, far, stderr, life},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	if err := confine(by, attr.Sys); err != nil {
		return nil, fail.Errorf(fail.Denied, "the rights of uid %d: %v", by.UID, err)
	}
	start := func() (*os.Process, error) {
		return os.StartProcess("/bin/sh", []string{"sh", "-c", d.place.limits + script, d.command}, attr)
	}
	if fd := d.place.cgroup; fd >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
		if p, err := start(); err == nil {
			return p, nil
		}
		attr.Sys.UseCgroupFD = false // not ours to give: he stays in that of this process
	}
	return start()
}

// take takes this thread into his namespaces and below his root directory.
func (p *place) take() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	unix.Umask(0o022)
	if ns := p.origin.NS(); os.Geteuid() == 0 {
		if err := unix.Setns(ns.FD(), unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
	}
	for _, n := range p.enter {
		if err := unix.Setns(n.fd, n.flag); err != nil {
			return os.NewSyscallError("setns", err)
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	if err := unix.Fchdir(p.root); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	return os.NewSyscallError("chroot", unix.Chroot("."))
}

// confine sees to it that the command has his ids, and his capabilities at most: with
// no_new_privs nothing that it executes has more than this thread. Ids of another are
// taken on by the new process itself, as who has this thread's could signal it.
func confine(by bus.Credentials, attr *syscall.SysProcAttr) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	if by.UID != 0 { // which leaves no capabilities
		attr.Credential = &syscall.Credential{Uid: by.UID, Gid: by.GID}
		for _, gid := range by.Groups {
			attr.Credential.Groups = append(attr.Credential.Groups, uint32(gid))
		}
		return nil
	}
	if err := unix.Setgroups(by.Groups); err != nil { // of this thread alone
		return os.NewSyscallError("setgroups", err)
	}
	gid := uintptr(by.GID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return os.NewSyscallError("setresgid", errno)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	for i := range caps {
		caps[i].Permitted &= uint32(by.Effective >> (32 * i))
		caps[i].Effective, caps[i].Inheritable = caps[i].Permitted, 0
	}
	return os.NewSyscallError("capset", unix.Capset(&header, &caps[0]))
}
