package vde

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The environment of a child that is a client: the directory, its own address
// (which begins with @ if it is abstract), and what is to be a tmpfs of its own.
const (
	childOf  = "VDE_TEST_DIR"
	childOwn = "VDE_TEST_OWN"
	childFS  = "VDE_TEST_TMPFS"
)

// child joins, sends one frame, tells how it went and how many bytes the first
// frame has that it gets, and waits for the end of its input.
func child(dir string) {
	own := []byte(os.Getenv(childOwn))
	if own[0] == '@' {
		own[0] = 0
	}
	if at := os.Getenv(childFS); at != "" {
		err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		if err == nil {
			err = unix.Mount("tmpfs", at, "tmpfs", 0, "")
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	c, err := dial(dir, 0, string(own), "a child")
	if err == nil {
		_, err = unix.Write(c.fd, make([]byte, 77))
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("joined")
	_ = unix.SetNonblock(c.fd, false)
	buf := make([]byte, 1<<16)
	n, err := unix.Read(c.fd, buf)
	fmt.Println(n, err)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// process is a child.
type process struct {
	*exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

// start starts a child until the test ends.
func (l *lab) start(t *testing.T, attr *syscall.SysProcAttr, own string, env ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("/proc/self/exe")}
	p.SysProcAttr, p.Stderr = attr, os.Stderr
	p.Env = append(append(os.Environ(), childOf+"="+l.dir, childOwn+"="+own), env...)
	var err error
	if p.in, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

func (p *process) line() string {
	line, _ := p.out.ReadString('\n')
	return line
}

func (p *process) end() {
	p.in.Close()
	_ = p.Process.Kill()
	_ = p.Wait()
}
