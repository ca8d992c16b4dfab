package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// dut is a device under test of RFC 2889's forwarding tests: four ports that frames knows.
type dut struct {
	title string
	ports []string
}

// flows are the traffic patterns of the forwarding tests; frames knows them by name.
var flows = []struct{ name, clause, done string }{
	{"mesh", "5.1", "fully meshed: each port to all others in turn"},
	{"out", "5.2", "partially meshed, one port to all others in turn"},
	{"in", "5.2", "partially meshed, all others to one port"},
	{"half", "5.4", "partially meshed, unidirectional: two ports to the other two"},
	{"broadcast", "5.10", "one port to the broadcast address"},
}

const forwardingNote = "Four ports of one switch, frames/s delivered to all receivers together: the highest rate of which at most 0.1 % is lost; " +
	"then what is delivered of a flood, and the loss of it. The larger is the maximum forwarding rate of 5.6. Latency: from before the sender's " +
	"call until after the receiver's. The RFC loads ports " +
	"to the rate of their line, which these have not: the CPUs, shared with senders and receivers, are the limit. Files: ipnfs's " +
	"`stream`, 64 frames a call, `queue` 1024 (a tap's is 1000). One run."

// rfc2889 is part rfc2889: the tests of RFC 2889, "Benchmarking Methodology for LAN Switching Devices".
func (b *session) rfc2889() {
	removeLeftovers()
	var out strings.Builder
	duts, files := b.startDUTs()
	fmt.Fprintf(&out, "## RFC 2889: forwarding\n\n%s\n\n", forwardingNote)
	b.forwarding(&out, duts)
	if files != nil {
		b.behaviour(&out, files)
	}
	for len(b.lans) > 0 {
		b.stopLAN(b.lans[0])
	}
	if files != nil {
		b.stop(files)
	}
	if b.ctx.Err() == nil {
		fmt.Println(out.String())
	}
}

// startDUTs starts ipnfs twice, with files as ports and with taps, and the kernel's bridge.
func (b *session) startDUTs() (duts []dut, files *daemon) {
	if b.chosen("ipnfs") {
		d, ports, err := b.startFiles()
		if err != nil {
			b.fail(err)
		} else {
			files = d
			duts = append(duts, dut{"ipnfs, files", ports})
		}
	}
	for _, s := range slices.Backward(switches) { // ipnfs first
		if s.name != "ipnfs" && s.name != "bridge" || !b.chosen(s.name) || b.ctx.Err() != nil {
			continue
		}
		l, err := b.startLAN(&s)
		if err != nil {
			b.fail(err)
			continue
		}
		d := dut{title: map[string]string{"ipnfs": "ipnfs, taps", "bridge": "bridge, veth"}[s.name]}
		for _, h := range l.hosts {
			d.ports = append(d.ports, h.port())
		}
		duts = append(duts, d)
	}
	return duts, files
}

// startFiles starts ipnfs with a switch whose ports are files.
func (b *session) startFiles() (*daemon, []string, error) {
	d, err := b.start("ipnfs", false)
	if err != nil {
		return nil, nil, err
	}
	network, err := makeSwitch(d, "files", "queue 1024")
	if err != nil {
		b.stop(d)
		return nil, nil, err
	}
	var ports []string
	for range hostCount {
		ports = append(ports, filepath.Join(network, "stream"))
	}
	return d, ports, nil
}

// makeSwitch makes a network with policy switch, and settings such as "queue 1024".
func makeSwitch(d *daemon, name string, settings ...string) (string, error) {
	network := filepath.Join(d.dir, name)
	if err := os.Mkdir(network, 0o755); err != nil {
		return "", err
	}
	for _, s := range append([]string{"policy switch"}, settings...) {
		file, value, _ := strings.Cut(s, " ")
		if err := write(network, file, value); err != nil {
			return "", err
		}
	}
	return network, nil
}

// forwarding writes the table of the flows.
func (b *session) forwarding(out *strings.Builder, duts []dut) {
	head := []string{"clause", "what was done", "bytes"}
	rule := []string{"---", "---", "---:"}
	for _, d := range duts {
		head, rule = append(head, d.title), append(rule, "---:")
	}
	line(out, head)
	line(out, rule)
	for _, f := range flows {
		for _, size := range []string{"64", "1518"} {
			test := "RFC 2889: " + f.name + " " + size
			if !b.measure.match(test) {
				continue
			}
			cells, latency := []string{f.clause, f.done, size}, []string{f.clause, "latency at half the rate that is not lost", size}
			for _, d := range duts {
				values := b.flow(test, d, "-s", size, f.name)
				cells = append(cells, forwarded(values))
				if f.name == "broadcast" {
					latency = append(latency, b.latency(test, d, size, f.name, values["fps"]/2))
				}
			}
			line(out, cells)
			if f.name == "broadcast" {
				line(out, latency)
			}
		}
	}
	out.WriteString("\n")
}

func forwarded(values map[string]float64) string {
	if values == nil {
		return "-"
	}
	return fmt.Sprintf("%s; %s, %s %%", figure(values["fps"]), figure(values["flood_fps"]), figure(values["flood_loss"]))
}

// latency measures it at a rate of deliveries to all receivers of the first port's broadcasts.
func (b *session) latency(test string, d dut, size, flow string, deliveries float64) string {
	rate := deliveries / float64(len(d.ports)-1)
	if rate < 1 {
		return "-"
	}
	values := b.flow(test+", latency", d, "-t", "1", "-s", size, "-r", strconv.FormatFloat(rate, 'f', 0, 64), flow)
	if values == nil {
		return "-"
	}
	return fmt.Sprintf("median %s µs, 99 %% within %s µs", figure(values["p50"]), figure(values["p99"]))
}

// flow runs frames on a device; nil if it failed.
func (b *session) flow(test string, d dut, args ...string) map[string]float64 {
	if b.ctx.Err() != nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "bench: %s, %s\n", test, d.title)
	values, err := b.frames(append(args, d.ports...)...)
	if err != nil {
		b.fail(fmt.Errorf("%s: %s: %w", d.title, test, err))
		return nil
	}
	b.results = append(b.results, result{Test: test, Free: true, Column: d.title, Values: values})
	return values
}

// behaviour writes the table of the tests that look at what is forwarded rather than how fast. They
// are done on files.
func (b *session) behaviour(out *strings.Builder, d *daemon) {
	out.WriteString("## RFC 2889: behaviour\n\nBetween files of ipnfs.\n\n")
	line(out, []string{"clause", "what was done", "result"})
	line(out, []string{"---", "---", "---"})
	line(out, []string{"5.3", "partially meshed, several devices", "not done: it takes two linked switches"})
	for _, p := range []struct {
		clause, name, done string
		do                 func(*session, *daemon) (string, error)
	}{
		{"5.5", "congestion, drop-new", "congestion control, `overflow` drop-new: port 1 sends to ports 3 and 4 in turn, port 2 to port 4, which takes " +
			"a third of what comes. Loss at port 3 is head-of-line blocking, none at port 4 back pressure", congestion("drop-new")},
		{"5.5", "congestion, block", "the same with `overflow` block: senders wait", congestion("block")},
		{"5.7, 5.8", "addresses", "address caching capacity and learning rate: frames from N new addresses at one port, as fast as it can send; then one to each " +
			"of them from a second port, a third one listening. The largest N of which nothing is flooded", addresses},
		{"5.9", "errored", "errored frames, from one file to another", erroredFrames},
	} {
		if b.ctx.Err() != nil || !b.measure.match("RFC 2889: "+p.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: RFC 2889: %s\n", p.name)
		result, err := p.do(b, d)
		if err != nil {
			b.fail(fmt.Errorf("RFC 2889: %s: %w", p.name, err))
			result = "failed: " + err.Error()
		}
		line(out, []string{p.clause, p.done, result})
	}
}
