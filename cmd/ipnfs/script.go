package main

import (
	"bufio"
	"context"
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

// runScript runs the rc script, in the directory and under the umask of the
// caller, until the script itself ends. What it leaves running may go on
// writing: that goes to the log. The end of ctx ends the script and what it
// started.
func runScript(ctx context.Context, o *mountOptions, tree *fs.FS) error {
	r, w, err := os.Pipe()
	if err != nil {
		return failf(exitSystem, "%w", err)
	}
	script := exec.CommandContext(ctx, "/bin/sh", o.rc)
	script.Env = append(os.Environ(), "IPN="+o.dir)
	script.Stdout, script.Stderr = w, w
	script.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	script.Cancel = func() error { return unix.Kill(-script.Process.Pid, unix.SIGTERM) }
	script.WaitDelay = scriptGrace
	err = script.Start()
	w.Close()
	var said tail
	if err == nil {
		copied := make(chan struct{})
		go func() {
			_, _ = io.Copy(&said, r)
			close(copied)
		}()
		err = script.Wait()
		_ = r.SetReadDeadline(time.Unix(1, 0)) // the pipe ends with what was left running: that may be never
		<-copied
		_ = r.SetReadDeadline(time.Time{})
		_, _ = io.CopyN(&said, r, waiting(r))
	}
	if err != nil {
		r.Close()
		// The shell knows but an errno; the tree knows why.
		return failf(exitMount, "rc script %s: %w\n%s%s", o.rc, err, said.text, tree.Errors())
	}
	log := logrus.WithField("rc", o.rc)
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
