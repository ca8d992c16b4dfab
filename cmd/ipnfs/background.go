package main

import (
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"
	logsyslog "github.com/sirupsen/logrus/hooks/syslog"
)

// readyEnv tells the child in the background the descriptor on which its
// parent waits for a report.
const readyEnv = "IPNFS_READY_FD"

// background starts this program again with -f, free from the terminal, and
// returns when it reports that the tree answers, or why it does not.
func background(o *mountOptions, options []string) error {
	self, err := os.Executable()
	if err != nil {
		return failf(exitSystem, "%w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return failf(exitSystem, "%w", err)
	}
	args := []string{"mount", "-f"}
	for _, list := range options {
		args = append(args, "-o", list)
	}
	child := exec.Command(self, append(args, "--", o.source, o.dir)...)
	child.ExtraFiles = []*os.File{w}
	child.Env = append(os.Environ(), readyEnv+"=3")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = child.Start()
	w.Close()
	if err != nil {
		return failf(exitSystem, "%w", err)
	}
	report, _ := io.ReadAll(r)
	code, text, ok := strings.Cut(string(report), " ")
	n, err := strconv.Atoi(code)
	switch {
	case !ok || err != nil:
		_ = child.Wait()
		return failf(exitSystem, "the background process ended without a word (%s)", child.ProcessState)
	case n != 0:
		_ = child.Wait()
		return &failure{n, errors.New(text)}
	}
	return child.Process.Release()
}

// pipe leads to the parent that waits, or is nil.
type pipe struct{ *os.File }

func parentPipe() *pipe {
	fd, err := strconv.Atoi(os.Getenv(readyEnv))
	if err != nil {
		return nil
	}
	os.Unsetenv(readyEnv)
	syscall.CloseOnExec(fd)
	return &pipe{os.NewFile(uintptr(fd), "ready")}
}

// report tells the parent, once, and returns what this process ends with.
func (p *pipe) report(err error) error {
	if p == nil {
		return err
	}
	code := 0
	text := ""
	if err != nil {
		code, text = exitSystem, err.Error()
		var f *failure
		if errors.As(err, &f) {
			code = f.code
		}
	}
	fmt.Fprintf(p, "%d %s", code, text)
	p.Close()
	return err
}

// openLog sends messages where log= says: by default to standard error in
// front, and to the system's log in the background. In the background it
// leaves the terminal and the directory it was started in.
func openLog(o *mountOptions, behind bool) (closeLog func(), err error) {
	closeLog = func() {}
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	switch {
	case o.log == "journal" || o.log == "" && behind:
		hook, err := logsyslog.NewSyslogHook("", "", syslog.LOG_DAEMON|syslog.LOG_INFO, "ipnfs")
		switch {
		case err == nil:
			logrus.AddHook(hook)
			logrus.SetOutput(io.Discard)
		case o.log == "journal":
			return nil, fmt.Errorf("no journal or syslog listens: %w", err)
		default:
			logrus.SetOutput(io.Discard)
		}
	case o.log != "":
		file, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, err
		}
		logrus.SetOutput(file)
		_ = debug.SetCrashOutput(file, debug.CrashOptions{}) // in the background nobody sees it else
		closeLog = func() { file.Close() }
	}
	if behind {
		return closeLog, os.Chdir("/")
	}
	return closeLog, nil
}
