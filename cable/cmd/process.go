package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// grace is how long a command may take to end when it is told to.
const grace = time.Second

// process is a command that runs, in a process group of its own.
type process struct {
	pid  int
	over chan struct{} // closed when it has ended and was waited for

	mu sync.Mutex
	// +checklocks:mu
	reaped bool // pid may be another's
}

// wait waits for the end, ends what is left in the group, and tells how it went. Then
// said ends, though others hold it.
func (p *process) wait(said *os.File) error {
	for unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.mu.Lock()
	_ = unix.Kill(-p.pid, unix.SIGKILL)
	var status unix.WaitStatus
	_, err := unix.Wait4(p.pid, &status, 0, nil)
	p.reaped = true
	p.mu.Unlock()
	_ = said.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if err != nil {
		return err
	}
	if status.Signaled() {
		return fail.Errorf(fail.Gone, "the command was ended by a signal: %v", status.Signal())
	}
	return fail.Errorf(fail.Gone, "the command exited with status %d", status.ExitStatus())
}

// kill sends a signal to the group.
func (p *process) kill(s unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = unix.Kill(-p.pid, s)
	}
}

// end ends the command. It returns when that has ended, or will as soon as the kernel
// lets it.
func (p *process) end() {
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		p.kill(s)
		select {
		case <-p.over:
			return
		case <-time.After(grace):
		}
	}
}

// maxLines is how many lines a second of what a command says are told.
const maxLines = 10

// follow tells what comes by r, line by line, until its end, and reads on when it tells no
// more, so that no writer has to wait. It closes r.
func follow(r *os.File, tell func(error)) {
	defer r.Close()
	lines := bufio.NewReaderSize(r, 1024) // longer lines come in pieces
	second, told, more := time.Now(), 0, 0
	sum := func() {
		if more > 0 {
			tell(fmt.Errorf("%d more lines", more))
		}
		told, more = 0, 0
	}
	defer sum()
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		if now := time.Now(); now.Sub(second) >= time.Second {
			second = now
			sum()
		}
		if told++; told > maxLines {
			more++
			continue
		}
		tell(errors.New(printable(string(line))))
	}
}

// printable makes a line fit to be shown.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, line)
}
