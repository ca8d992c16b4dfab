package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is a running candidate.
type daemon struct {
	name  string
	dir   string // its mount point, or the directory of its socket
	cmd   *exec.Cmd
	ended chan error
}

// start runs a candidate (see candidates) on a directory of its own and waits until it serves.
func (b *session) start(name string, pinned bool) (*daemon, error) {
	c := candidates[name]
	dir, err := os.MkdirTemp(b.dir, name+"-")
	if err != nil {
		return nil, err
	}
	args := append([]string{b.tools[c.tool]}, c.args(dir)...)
	if pinned {
		args = append([]string{"taskset", "-c", strconv.Itoa(b.cpu)}, args...)
	}
	d := &daemon{name: name, dir: dir, cmd: exec.Command(args[0], args[1:]...), ended: make(chan error, 1)}
	d.cmd.Stderr = os.Stderr
	// A group of its own: Ctrl-C is for us, we end the daemon.
	d.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	b.running = append(b.running, d)
	go func() { d.ended <- d.cmd.Wait() }()
	err = d.await(filepath.Join(dir, c.serves))
	if err == nil && c.prepare != nil {
		err = c.prepare(dir)
	}
	if err != nil {
		b.stop(d)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// await waits until path is there.
func (d *daemon) await(path string) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case err := <-d.ended:
			d.ended <- err
			return fmt.Errorf("ended at once: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			return errors.New("does not serve after 5 s")
		}
	}
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

// stop ends a daemon and its mount, the hard way if it must.
func (b *session) stop(d *daemon) {
	d.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(5 * time.Second):
		fmt.Fprintf(os.Stderr, "bench: %s does not end on SIGTERM, killed\n", d.name)
		b.failures++
		d.cmd.Process.Kill()
		<-d.ended
	}
	if unix.Unmount(d.dir, unix.MNT_DETACH) == nil && d.name == "ipnfs" {
		fmt.Fprintln(os.Stderr, "bench: ipnfs left its mount behind")
		b.failures++
	}
	os.RemoveAll(d.dir)
	b.running = slices.DeleteFunc(b.running, func(r *daemon) bool { return r == d })
}

func (b *session) stopAll() {
	for len(b.running) > 0 {
		b.stop(b.running[0])
	}
}
