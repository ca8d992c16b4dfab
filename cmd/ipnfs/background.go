package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
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
	_ = syscall.SetNonblock(fd, true) // abandoned waits as Go does
	return &pipe{os.NewFile(uintptr(fd), "ready")}
}

// abandoned closes its channel when the parent has ended before it was told,
// as it does at Ctrl-C or when a time limit is over.
func (p *pipe) abandoned() <-chan struct{} {
	if p == nil {
		return nil
	}
	gone := make(chan struct{})
	raw, err := p.SyscallConn()
	if err != nil {
		return nil
	}
	go func() {
		err := raw.Read(func(fd uintptr) bool { // called when there may be something new
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, 0) // finds errors alone: no reader is left
			return n > 0
		})
		if err == nil { // else report has closed it
			close(gone)
		}
	}()
	return gone
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
