package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const sectionNATS = "Networks joined by NATS"

const natsNote = "What the slowest of 1 or 16 receivers gets of one sender, by one nats-server on the same machine; nothing pinned. " +
	"nats.go: a process that publishes and subscribes, a message a frame. ipnfs: a daemon with a network for the sender and for each receiver, " +
	"all with a nats cable, and a process that writes and reads their `stream` files. At most 1 MiB, or 8192 frames, are on their way. " +
	"CPU: of the process of nats.go, whole, and of the daemon of ipnfs, for each frame that came to a receiver."

// natsAddress is where the server of part nats listens.
const natsAddress = "127.0.0.1:14222"

// natsReceivers are the numbers of receivers.
var natsReceivers = []int{1, 16}

func natsTests() (tests []test) {
	for _, n := range natsReceivers {
		for _, size := range []string{"64", "1400"} {
			title := fmt.Sprintf("to %d, %s B", n, size)
			tests = append(tests, test{
				section: sectionNATS, id: title, columns: []string{"nats.go", "ipnfs"}, free: true, args: []string{strconv.Itoa(n), size},
				rows: []row{
					{title: title + ", frames/s at each", key: "ops", ratios: map[string]float64{"nats.go": 0.8}},
					{title: title + ", deliveries/s", key: "deliveries"},
					{title: title + ", CPU µs a delivery", key: "cpu"},
				},
			})
		}
	}
	return tests
}

// nats is the part of that name.
func (b *session) nats() {
	tests := slices.DeleteFunc(natsTests(), func(t test) bool { return !b.measure.match(t.name()) })
	for round := range b.options.rounds {
		for _, t := range tests {
			fmt.Fprintf(os.Stderr, "bench: round %d/%d, %s\n", round+1, b.options.rounds, t.name())
			for i := range t.columns {
				column := t.columns[(i+round)%len(t.columns)]
				if b.ctx.Err() != nil || !b.chosen(column) {
					continue
				}
				values, err := b.natsTrial(column, t.args)
				if err != nil {
					b.fail(fmt.Errorf("%s: %s: %w", column, t.name(), err))
					continue
				}
				b.results = append(b.results, result{round, t.name(), t.free, column, values})
			}
		}
	}
	if b.ctx.Err() == nil {
		fmt.Print(b.report(tests, b.doorSeconds()))
	}
}

// natsTrial measures one candidate beside a server of its own.
func (b *session) natsTrial(column string, args []string) (map[string]float64, error) {
	dir, err := os.MkdirTemp(b.dir, "nats-server-")
	if err != nil {
		return nil, err
	}
	ready := filepath.Join(dir, "pid")
	server, err := b.launch("nats-server", dir, exists(ready), "nats-server", "-a", "127.0.0.1", "-p", "14222", "-P", ready)
	if err != nil {
		return nil, err
	}
	defer b.stop(server)
	seconds := strconv.FormatFloat(b.doorSeconds(), 'f', -1, 64)
	if column != "ipnfs" {
		before := childSeconds()
		values, err := b.natsLoad(slices.Concat([]string{"bare", natsAddress}, args, []string{seconds})...)
		if err == nil {
			values["cpu"] = (childSeconds() - before) / values["all"] * 1e6
		}
		return values, err
	}
	d, err := b.start("ipnfs", false)
	if err != nil {
		return nil, err
	}
	defer b.stop(d)
	if err := layNATS(d.dir, args[0]); err != nil {
		return nil, err
	}
	used := d.cpuSeconds()
	values, err := b.natsLoad(slices.Concat([]string{"files", d.dir}, args, []string{seconds})...)
	if err == nil {
		values["cpu"] = (d.cpuSeconds() - used) / values["all"] * 1e6
	}
	return values, err
}

func (b *session) natsLoad(args ...string) (map[string]float64, error) {
	out, err := b.run(append([]string{b.tools["nats"]}, args...)...)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	if err := json.Unmarshal([]byte(out), &values); err != nil {
		return nil, fmt.Errorf("nats said %q: %w", out, err)
	}
	return values, nil
}

// layNATS makes a network for the sender and one for each receiver, and joins them.
func layNATS(mount, receivers string) error {
	n, err := strconv.Atoi(receivers)
	if err != nil {
		return err
	}
	names := []string{"out"}
	for i := range n {
		names = append(names, fmt.Sprintf("in%d", i))
	}
	for _, name := range names {
		net := filepath.Join(mount, name)
		if err := os.Mkdir(net, 0o755); err != nil {
			return err
		}
		for _, set := range [][2]string{{"overflow", "block"}, {"queue", "4096"}, {"cable", "nats://" + natsAddress + "/bench"}} {
			if err := os.WriteFile(filepath.Join(net, set[0]), []byte(set[1]+"\n"), 0o644); err != nil {
				return fmt.Errorf("set %s of %s: %w", set[0], name, err)
			}
		}
	}
	time.Sleep(100 * time.Millisecond) // until the server has told itself who listens
	return nil
}
