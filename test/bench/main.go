// Command bench measures ipnfs beside its peers and prints Markdown tables for doc/performance.md.
//
//	go run ./test/bench -bin PATH/ipnfs [-part bus,switch,fastpath,middle,doors,nats,ipn,rfc2889,hostile] [-only CANDIDATE,...] [-measure NAME,...]
//	                    [-rounds 5] [-seconds S] [-profile] [-before PATH/ipnfs] [-json FILE]
//
// Part bus measures files: peers are a minimal C daemon on raw /dev/fuse (peers/fusehub.c),
// go-fuse's own server (peers/gofuse) and a Unix datagram relay that does what a vde_switch hub does
// (peers/relay.c). One load generator (peers/load) drives them all. "One CPU" pins daemon and clients
// to the same CPU: what an operation costs, which carries over to other machines; "free" pins
// nothing: mostly the price of waking an idle CPU.
//
// Part switch measures a switch between hosts in network namespaces: peers are the kernel's bridge,
// vde_switch and Open vSwitch's own datapath. Those that are not installed are left out, and named.
//
// Part fastpath measures the same where ipnfs lets the kernel forward, by veths: with 1,000 and with
// 100,000 known addresses, with VLANs and with a mirror; and making and removing 1,000 ports.
//
// Part middle measures what it costs to have a program between two networks that sees each frame; the
// peer is vde_plug between two vde_switches.
//
// Part doors measures the sockets of a network: peers are vde_switch and forwarders in C, and memcpy.
//
// Part nats measures networks that are joined by NATS; the peer is a program of nats.go.
//
// Part ipn measures two networks of a mount that a cable joins, beside one network.
//
// Part rfc2889 does RFC 2889's tests of a switch, once.
//
// Part hostile runs test/hostile: what a victim measures alone and beside users who do their worst.
//
// In each round every candidate is started anew and has its turn at every test, the order moving on
// from round to round; what is judged is the median of the ratios within a round. Without -bin the
// peers are measured among each other.
//
// It needs root, /dev/fuse, a C compiler and what each part names. Progress goes to standard error.
// All it starts is ended, all it mounts unmounted and all namespaces it makes (ipnbench-*) removed,
// also after Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// part is a chapter of the report.
type part struct {
	name   string
	needs  []string // programs
	builds []string // of sources
	run    func(*session)
}

var parts = []part{
	{"bus", []string{"taskset"}, []string{"fusehub", "relay", "load", "gofuse"}, (*session).bus},
	{"switch", []string{"ip", "ss", "iperf3", "ping"}, []string{"frames"}, (*session).ethernet},
	{"fastpath", []string{"ip", "bridge", "ss", "iperf3", "ping"}, []string{"frames"}, (*session).fastpath},
	{"middle", []string{"ip", "ss", "iperf3", "ping"}, []string{"frames", "middle"}, (*session).middle},
	{"doors", []string{"ip", "ss", "iperf3", "ping"}, []string{"packets", "copy", "frames"}, (*session).doors},
	{"nats", []string{"nats-server"}, []string{"nats"}, (*session).nats},
	{"ipn", []string{"ip", "ss", "iperf3", "ping"}, nil, (*session).ipn},
	{"rfc2889", []string{"ip", "ss", "iperf3", "ping"}, []string{"frames"}, (*session).rfc2889},
	{"hostile", nil, nil, (*session).hostile},
}

func partNames() (all []string) {
	for _, p := range parts {
		all = append(all, p.name)
	}
	return all
}

// options are the settings of the command line.
type options struct {
	bin     string
	before  string
	parts   names
	only    names
	measure names
	rounds  int
	seconds float64
	cpu     int
	profile bool
	json    string
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "", "the ipnfs `binary`; without it only the peers are measured")
	flag.StringVar(&o.before, "before", "", "part fastpath: an older ipnfs `binary`, whose taps are measured, too")
	flag.Var(&o.parts, "part", "only these `parts`: "+strings.Join(partNames(), ", "))
	flag.Var(&o.only, "only", "only these `candidates`: "+strings.Join(candidateNames(), ", "))
	flag.Var(&o.measure, "measure", "only tests whose \"section: name\" contains one of these `words`")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.Float64Var(&o.seconds, "seconds", 0, "length of one measurement (default 0.25, TCP 2)")
	flag.IntVar(&o.cpu, "cpu", 0, "the `CPU` of the one-CPU tests")
	flag.BoolVar(&o.profile, "profile", false, "part switch: count system calls and context switches a frame, too")
	flag.StringVar(&o.json, "json", "", "write all raw figures to `FILE`")
	flag.Parse()
	if err := bench(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(o options) error {
	// The kernel closes it with the process, however that ends.
	lock, err := net.Listen("unix", "@ipnfs-bench")
	if err != nil {
		return fmt.Errorf("another benchmark runs: %w", err)
	}
	defer lock.Close()
	chosen, err := check(&o)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "ipnfs-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &session{options: o, ctx: ctx, dir: dir}
	defer b.stopAll() // before the directory goes
	var wanted []string
	for _, p := range chosen {
		wanted = append(wanted, p.builds...)
	}
	if err := os.CopyFS(dir, files); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "bench: compiling the peers")
	if b.tools, err = build(ctx, dir, wanted); err != nil {
		return err
	}
	b.tools["ipnfs"], b.tools["before"] = o.bin, o.before
	fmt.Printf("%s\n\n", machine())
	for _, p := range chosen {
		if ctx.Err() == nil {
			p.run(b)
		}
	}
	if o.json != "" {
		if err := b.writeJSON(o.json); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if b.failures > 0 {
		return fmt.Errorf("%d runs failed, see above", b.failures)
	}
	return nil
}

// check says what is missing, and which parts are chosen.
func check(o *options) ([]part, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("needs root: it mounts without fusermount3, opens thousands of files and makes namespaces")
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("needs /dev/fuse: %w", err)
	} else {
		f.Close()
	}
	if name := o.parts.unknown(partNames()); name != "" {
		return nil, fmt.Errorf("-part %s: there are %s", name, strings.Join(partNames(), ", "))
	}
	if name := o.only.unknown(candidateNames()); name != "" {
		return nil, fmt.Errorf("-only %s: there are %s", name, strings.Join(candidateNames(), ", "))
	}
	chosen := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !o.parts.has(p.name) })
	needs := []string{"cc", "go"}
	for _, p := range chosen {
		needs = append(needs, p.needs...)
	}
	for _, tool := range needs {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("needs %s: %w", tool, err)
		}
	}
	for _, bin := range []*string{&o.bin, &o.before} {
		if *bin == "" {
			continue
		}
		path, err := exec.LookPath(*bin)
		if err != nil {
			return nil, fmt.Errorf("-bin, -before: %w", err)
		}
		if *bin, err = filepath.Abs(path); err != nil {
			return nil, err
		}
	}
	return chosen, nil
}
