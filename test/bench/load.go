package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// loadArgs are the arguments of load for a candidate and a test.
func (b *session) loadArgs(d *daemon, t *test) []string {
	c := candidates[d.name]
	door := c.door
	args := []string{"-t", strconv.FormatFloat(b.length(), 'f', -1, 64), "-d", strconv.Itoa(d.pid())}
	if !t.free {
		args = append(args, "-c", strconv.Itoa(b.cpu))
	}
	if c.transport == "dgram" {
		args = append(args, "-w", strconv.Itoa(datagramQueue()))
	} else if t.window != "" {
		args = append(args, "-w", t.window)
	}
	if d.name == "ipnfs" {
		if t.door != "" {
			door = t.door
		}
		if t.fill != "" {
			args = append(args, "-s", filepath.Join(d.dir, t.fill))
		}
	}
	return append(append(args, c.transport, filepath.Join(d.dir, door)), t.args...)
}

// datagramQueue is what a Unix datagram socket holds: the relay loses what comes on top.
func datagramQueue() int {
	data, _ := os.ReadFile("/proc/sys/net/unix/max_dgram_qlen")
	n, err := strconv.Atoi(string(bytes.TrimSpace(data)))
	if err != nil {
		return 10
	}
	return min(n, 64)
}

// command prepares load, which ends with ctx. A candidate that never answers a read makes its
// clients unkillable: then it has to end first.
func (b *session) command(ctx context.Context, d *daemon, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.tools["load"], args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid // readers and writers of this load
		time.AfterFunc(5*time.Second, func() {
			if unix.Kill(group, 0) == nil {
				fmt.Fprintf(os.Stderr, "bench: clients of %s cannot be killed: killing %s\n", d.name, d.name)
				d.cmd.Process.Kill()
			}
		})
		return unix.Kill(group, unix.SIGKILL)
	}
	return cmd
}

// load runs a test once and returns its figures.
func (b *session) load(d *daemon, t *test) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(b.ctx, time.Duration(b.length()*20*float64(time.Second))+time.Minute)
	defer cancel()
	cmd := b.command(ctx, d, b.loadArgs(d, t))
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	if err := json.Unmarshal(out, &values); err != nil {
		return nil, fmt.Errorf("load said %q: %w", out, err)
	}
	if values["lost"] != 0 || values["wrong"] != 0 {
		b.fail(fmt.Errorf("%s: %s: %.0f deliveries lost, %.0f wrong", d.name, t.name(), values["lost"], values["wrong"]))
	}
	derive(values)
	return values, nil
}

// stepper is a load that goes on with each line it is sent: mode hold.
type stepper struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (b *session) stepper(ctx context.Context, d *daemon, args []string) (*stepper, error) {
	cmd := b.command(ctx, d, args)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &stepper{cmd, in, bufio.NewScanner(out)}, cmd.Start()
}

// answer waits for the next line and reads it into values.
func (s *stepper) answer(values map[string]float64) error {
	if !s.out.Scan() {
		return fmt.Errorf("load ended early: %v", s.out.Err())
	}
	return json.Unmarshal(s.out.Bytes(), &values)
}

func (s *stepper) next() { fmt.Fprintln(s.in) }
