// Command bench measures ipnfs beside its peers and prints Markdown tables for doc/performance.md.
//
//	go run ./test/bench -bin PATH/ipnfs [-rounds 5] [-seconds 0.25] [-only REGEX] [-json FILE]
//
// Peers are a minimal C daemon on raw /dev/fuse (peers/fusehub.c), go-fuse's own server
// (peers/gofuse) and a Unix datagram relay that does what a vde_switch hub does (peers/relay.c).
// One load generator (peers/load) drives them all. In each round every candidate is started anew
// and has its turn at every test, the order moving on from round to round; what is judged is the
// median of the ratios within a round. "One CPU" pins daemon and clients to the same CPU: what an
// operation costs, which carries over to other machines; "free" pins nothing: mostly the price of
// waking an idle CPU. Without -bin the peers are measured among each other.
//
// It needs root, /dev/fuse, a C compiler and taskset. Progress goes to standard error. All it
// starts is ended, and all it mounts unmounted, also after Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

// options are the settings of the command line.
type options struct {
	bin     string
	rounds  int
	seconds float64
	cpu     int
	only    *regexp.Regexp
	json    string
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "", "the ipnfs `binary`; without it only the peers are measured")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.Float64Var(&o.seconds, "seconds", 0.25, "length of one measurement")
	flag.IntVar(&o.cpu, "cpu", 0, "the `CPU` of the one-CPU tests")
	only := flag.String("only", "", "only the tests whose \"section: name\" matches `REGEX`")
	flag.StringVar(&o.json, "json", "", "write all raw figures to `FILE`")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = bench(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(o options) error {
	if err := check(&o); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "ipnfs-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tools, err := build(ctx, dir)
	if err != nil {
		return err
	}
	tools["ipnfs"] = o.bin
	b := &session{options: o, ctx: ctx, dir: dir, tools: tools}
	defer b.stopAll() // before the directory goes
	b.rounds()
	if ctx.Err() == nil {
		fmt.Print(b.report())
		b.scale()
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

// check says what is missing.
func check(o *options) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("needs root: it mounts without fusermount3 and opens thousands of files")
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		return fmt.Errorf("needs /dev/fuse: %w", err)
	} else {
		f.Close()
	}
	for _, tool := range []string{"cc", "go", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("needs %s: %w", tool, err)
		}
	}
	if o.bin == "" {
		return nil
	}
	if _, err := exec.LookPath(o.bin); err != nil {
		return fmt.Errorf("-bin: %w", err)
	}
	var err error
	o.bin, err = filepath.Abs(o.bin)
	return err
}
