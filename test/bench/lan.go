package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Hosts of a lan, and what all their namespaces' names begin with.
const (
	hostCount   = 4
	netnsPrefix = "ipnbench-"
	iperfPort   = "5201"
)

// lan is a switch under test and its hosts.
type lan struct {
	name    string
	space   string // the namespace of the switch
	hosts   [hostCount]host
	daemons []*daemon // the switch's first
	doors   string    // ipnfs: the directory of the network
}

// host is a namespace with one interface, called eth0, of MTU 1500.
type host struct{ netns, addr string }

// run runs a command to its end, which comes with ctx at the latest, and returns what it printed.
func run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err == nil {
		return string(out), nil
	}
	said := strings.TrimSpace(string(out))
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		said = strings.TrimSpace(string(exit.Stderr))
	}
	return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, said)
}

// run is the same for what must not take longer than a measurement by much.
func (b *session) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second+time.Duration(3*b.seconds*float64(time.Second)))
	defer cancel()
	return run(ctx, args...)
}

// ip runs iproute2's ip with each of the lines.
func (b *session) ip(lines ...string) error {
	for _, l := range lines {
		if _, err := b.run(append([]string{"ip"}, strings.Fields(l)...)...); err != nil {
			return err
		}
	}
	return nil
}

// within is a command in a namespace. ip becomes that command, so its process is the one we started.
func within(netns string, args ...string) []string {
	return append([]string{"ip", "netns", "exec", netns}, args...)
}

// startLAN makes the namespaces, starts the switch, and returns when all hosts reach one another.
func (b *session) startLAN(s *netSwitch) (*lan, error) {
	l := &lan{name: s.name, space: netnsPrefix + s.name + "-switch"}
	b.lans = append(b.lans, l)
	for i := range l.hosts {
		number := strconv.Itoa(i + 1)
		l.hosts[i] = host{netnsPrefix + s.name + "-" + number, "10.0.0." + number}
	}
	err := b.makeNamespaces(l)
	if err == nil {
		err = s.start(b, l)
	}
	if err == nil {
		err = b.serveTCP(l)
	}
	if err == nil {
		err = b.reach(l)
	}
	if err != nil {
		b.stopLAN(l)
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return l, nil
}

func (l *lan) namespaces() []string {
	all := []string{l.space}
	for _, h := range l.hosts {
		all = append(all, h.netns)
	}
	return all
}

func (b *session) makeNamespaces(l *lan) error {
	for _, ns := range l.namespaces() {
		if err := b.ip("netns add "+ns, "-n "+ns+" link set lo up"); err != nil {
			return err
		}
		// Nothing but what is measured shall cross the switch. A kernel without IPv6 has no such file.
		args := within(ns, "sh", "-c", "for f in all default; do echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done || :")
		if _, err := b.run(args...); err != nil {
			return err
		}
	}
	return nil
}

// plug moves an interface from the switch's namespace to a host and sets it up there.
func (b *session) plug(l *lan, i int, dev string) error {
	h := l.hosts[i]
	return b.ip("-n "+l.space+" link set "+dev+" netns "+h.netns+" name eth0",
		"-n "+h.netns+" addr add "+h.addr+"/24 dev eth0", "-n "+h.netns+" link set eth0 up")
}

// serveTCP starts iperf3's servers, on every second host.
func (b *session) serveTCP(l *lan) error {
	for i := 1; i < hostCount; i += 2 {
		ns := l.hosts[i].netns
		listens := func() bool {
			out, err := b.run(within(ns, "ss", "-Hltn", "sport = "+iperfPort)...)
			return err == nil && out != ""
		}
		d, err := b.launch("iperf3", "", listens, within(ns, "iperf3", "-s", "-p", iperfPort)...)
		if err != nil {
			return err
		}
		l.daemons = append(l.daemons, d)
	}
	return nil
}

// reach waits until the first host reaches all others.
func (b *session) reach(l *lan) error {
	for _, h := range l.hosts[1:] {
		deadline := time.Now().Add(10 * time.Second)
		for {
			_, err := b.run(within(l.hosts[0].netns, "ping", "-q", "-c1", "-W1", h.addr)...)
			if err == nil {
				break
			}
			if b.ctx.Err() != nil || time.Now().After(deadline) {
				return err
			}
		}
	}
	return nil
}

// stopLAN ends what was started and removes the namespaces, also of a lan that is half made.
func (b *session) stopLAN(l *lan) {
	for _, d := range slices.Backward(l.daemons) {
		b.stop(d)
	}
	for _, ns := range l.namespaces() {
		removeNamespace(ns)
	}
	b.lans = slices.DeleteFunc(b.lans, func(o *lan) bool { return o == l })
}

// removeNamespace removes a namespace, with the interfaces in it, if it is there.
func removeNamespace(ns string) {
	if _, err := os.Stat("/run/netns/" + ns); err != nil {
		return
	}
	if _, err := run(context.Background(), "ip", "netns", "del", ns); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// removeLeftovers clears up behind a benchmark that was killed.
func removeLeftovers() {
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), netnsPrefix) {
			continue
		}
		pids, _ := run(context.Background(), "ip", "netns", "pids", e.Name())
		for pid := range strings.FieldsSeq(pids) {
			if n, err := strconv.Atoi(pid); err == nil {
				unix.Kill(n, unix.SIGKILL)
			}
		}
		removeNamespace(e.Name())
	}
}
