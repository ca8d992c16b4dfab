package main

import (
	"bytes"
	"cmp"
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

// daemon is a running candidate, or a part of one.
type daemon struct {
	name  string
	dir   string // of its own, removed with it: its mount point, or where its sockets are
	cmd   *exec.Cmd
	said  bytes.Buffer // on standard error: read it once it ended
	ended chan error
}

// start runs a candidate of part bus (see candidates) on a directory of its own and waits until it
// serves.
func (b *session) start(name string, pinned bool) (*daemon, error) {
	c := candidates[name]
	dir, err := os.MkdirTemp(b.dir, name+"-")
	if err != nil {
		return nil, err
	}
	args := append([]string{cmp.Or(b.tools[c.tool], c.tool)}, c.args(dir)...)
	if pinned {
		args = append([]string{"taskset", "-c", strconv.Itoa(b.cpu)}, args...)
	}
	d, err := b.launch(name, dir, exists(filepath.Join(dir, c.serves)), args...)
	if err != nil || c.prepare == nil {
		return d, err
	}
	if err := c.prepare(dir); err != nil {
		b.stop(d)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// launch runs a program until stop, or stopAll, and waits until it serves.
func (b *session) launch(name, dir string, serves func() bool, args ...string) (*daemon, error) {
	d := &daemon{name: name, dir: dir, cmd: exec.Command(args[0], args[1:]...), ended: make(chan error, 1)}
	d.cmd.Stderr, d.cmd.WaitDelay = &d.said, time.Second
	// A group of its own: Ctrl-C is for us, we end the daemon.
	d.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	// Some end when their standard input does: with us at the latest.
	if _, err := d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	b.running = append(b.running, d)
	go func() { d.ended <- d.cmd.Wait() }()
	if err := d.await(serves); err != nil {
		b.stop(d)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// exists asks for a file.
func exists(path string) func() bool {
	return func() bool {
		_, err := os.Stat(path)
		return err == nil
	}
}

// await waits until it serves.
func (d *daemon) await(serves func() bool) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if serves() {
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

// stop ends a daemon and its mount, the hard way if it must. What it said is shown if that was wrong.
func (b *session) stop(d *daemon) {
	var wrong error
	select {
	case err := <-d.ended:
		wrong = fmt.Errorf("%s ended by itself: %v", d.name, err)
	default:
		if !d.end() {
			wrong = fmt.Errorf("%s does not end on SIGTERM, killed", d.name)
		}
	}
	if wrong != nil {
		b.fail(wrong)
		os.Stderr.Write(d.said.Bytes())
	}
	if d.dir != "" {
		if unix.Unmount(d.dir, unix.MNT_DETACH) == nil && d.name == "ipnfs" {
			b.fail(errors.New("ipnfs left its mount behind"))
		}
		os.RemoveAll(d.dir)
	}
	b.running = slices.DeleteFunc(b.running, func(r *daemon) bool { return r == d })
}

// end says whether SIGTERM was enough.
func (d *daemon) end() bool {
	d.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-d.ended:
		return true
	case <-time.After(5 * time.Second):
		d.cmd.Process.Kill()
		<-d.ended
		return false
	}
}

func (b *session) stopAll() {
	for len(b.lans) > 0 {
		b.stopLAN(b.lans[0])
	}
	for len(b.running) > 0 {
		b.stop(b.running[0])
	}
}
