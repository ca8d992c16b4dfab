package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"ipnfs/fs"
)

const (
	// scriptText is how many bytes of what the rc script says are kept, the
	// last ones.
	scriptText = 64 << 10
	// scriptLines is how many lines a minute of what it left running go to the
	// log.
	scriptLines = 600
	// scriptGrace is how long a script that is told to end may take.
	scriptGrace = time.Second
)

// script is the process of the rc script, or nil if there is none.
type script struct {
	*exec.Cmd
	path string
	said *os.File // what it writes
	hold *os.File // to write a line to when it may begin
}

// held is what the process does until it may begin, and if that is never.
const held = `read -r go <&3 || exit; exec 3<&-; exec /bin/sh "$0"`

// holdScript makes the process, in the directory and under the umask of the
// caller; it waits for run. The end of ctx ends it and what it started.
func holdScript(ctx context.Context, o *mountOptions) (*script, error) {
	if o.rc == "" {
		return nil, nil
	}
	said, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	r, hold, err := os.Pipe()
	if err != nil {
		said.Close()
		return nil, err
	}
	defer r.Close()
	s := &script{exec.CommandContext(ctx, "/bin/sh", "-c", held, o.rc), o.rc, said, hold}
	s.Env = append(os.Environ(), "IPN="+o.dir, "NOTIFY_SOCKET=") // who is ready is the mount
	s.Stdout, s.Stderr = w, w
	s.ExtraFiles = []*os.File{r}
	s.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.Cancel = func() error { return unix.Kill(-s.Process.Pid, unix.SIGTERM) }
	s.WaitDelay = scriptGrace
	if err := s.Start(); err != nil {
		said.Close()
		hold.Close()
		return nil, err
	}
	return s, nil
}

// abandon ends a script that was not run.
func (s *script) abandon() {
	if s != nil {
		s.hold.Close()
		_ = s.Wait()
		s.said.Close()
	}
}

// run runs the script until it ends itself. What it leaves running may go on
// writing: that goes to the log.
func (s *script) run(tree *fs.FS) error {
	if s == nil {
		return nil
	}
	fmt.Fprintln(s.hold)
	s.hold.Close()
	r := s.said
	var said tail
	copied := make(chan struct{})
	go func() {
		_, _ = io.Copy(&said, r)
		close(copied)
	}()
	err := s.Wait()
	_ = r.SetReadDeadline(time.Unix(1, 0)) // the pipe ends with what was left running: that may be never
	<-copied
	_ = r.SetReadDeadline(time.Time{})
	_, _ = io.CopyN(&said, r, waiting(r))
	if err != nil {
		r.Close()
		// The shell knows but an errno; the tree knows why.
		return failf(exitMount, "rc script %s: %w\n%s%s", s.path, err, said.text, tree.Errors())
	}
	log := logrus.WithField("rc", s.path)
	if len(said.text) > 0 {
		log.Info(string(said.text))
	}
	go follow(r, log)
	return nil
}

// waiting returns how many bytes can be read from a pipe now.
func waiting(r *os.File) int64 {
	n := 0
	if raw, err := r.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	return int64(n)
}

// follow logs what comes by r, line by line, until its end. It reads on when
// it logs no more, so that no writer has to wait.
func follow(r *os.File, log *logrus.Entry) {
	defer r.Close()
	lines := bufio.NewReader(r) // longer lines than its buffer come in pieces
	minute, logged := time.Now(), 0
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		if now := time.Now(); now.Sub(minute) >= time.Minute {
			minute, logged = now, 0
		}
		switch logged++; {
		case logged <= scriptLines:
			log.Info(string(line))
		case logged == scriptLines+1:
			log.Warn("too many lines: the rest of this minute is left out")
		}
	}
}

// tail keeps the last scriptText bytes of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - scriptText; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}
