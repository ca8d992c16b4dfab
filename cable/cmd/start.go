package cmd

import (
	"encoding/json"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
)

// start starts the command, whose standard input and output are socket, which it owns. One
// more is running until its thread has ended. tell gets what it says, and ended why it has ended, once.
func (d *dialer) start(socket int, tell, ended func(error)) (*process, error) {
	uid := d.place.origin.By.UID
	if err := running.add(uid); err != nil {
		_ = unix.Close(socket)
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		running.done(uid)
		_ = unix.Close(socket)
		return nil, err
	}
	life, hold, err := os.Pipe()
	if err != nil {
		running.done(uid)
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
		defer running.done(uid)
		_ = creds.OnOwnThread(func() error {
			defer far.Close()
			defer hold.Close()
			pid, err := d.spawn(far, w, life)
			w.Close()
			life.Close()
			if err != nil {
				r.Close()
				started <- err
				return nil
			}
			p.pid = pid
			started <- nil
			said := make(chan struct{})
			go func() {
				defer close(said)
				follow(r, tell)
			}()
			why := p.wait(r)
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

// spawn starts the helper, where the caller is but for what helper.go does itself. Until
// it executes, the new process shares this one's memory, and this thread waits for it, with
// all of Go: so until then it is nobody's but this process's, whom no user can stop.
func (d *dialer) spawn(far, stderr, life *os.File) (pid int, err error) {
	by, p := d.place.origin.By.Rights, d.place
	if us := os.Geteuid(); us != 0 && uint32(us) != by.UID {
		return 0, fail.Errorf(fail.Denied, "ipnfs runs as uid %d and cannot act for uid %d", us, by.UID)
	}
	o := order{UID: by.UID, GID: by.GID, Groups: by.Groups, Effective: by.Effective, Mount: -1, Root: -1, Cgroup: -1}
	files := []uintptr{far.Fd(), far.Fd(), stderr.Fd(), life.Fd()}
	give := func(fd int, to *int) {
		if fd >= 0 {
			*to = len(files)
			files = append(files, uintptr(fd))
		}
	}
	give(p.root, &o.Root)
	give(p.cgroup, &o.Cgroup)
	if os.Geteuid() == 0 {
		if err := unix.Setns(p.origin.NS().FD(), unix.CLONE_NEWNET); err != nil {
			return 0, where(by, err)
		}
	}
	for _, n := range p.enter {
		if n.flag == unix.CLONE_NEWNS {
			give(n.fd, &o.Mount)
		} else if err := unix.Setns(n.fd, n.flag); err != nil {
			return 0, where(by, err)
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return 0, err
	}
	return syscall.ForkExec("/proc/self/exe", []string{helperName, string(text), p.limits + script, d.command}, &syscall.ProcAttr{
		Dir: "/", Env: p.env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
}

func where(by bus.Credentials, err error) error {
	return fail.Errorf(fail.Denied, "entering the namespaces of uid %d: %v", by.UID, err)
}
