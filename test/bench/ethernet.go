package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

const (
	sectionSwitch  = "Switch"
	sectionProfile = "Switch: calls and context switches a frame"
)

// Their notes.
var (
	switchNote = fmt.Sprintf("Hosts in network namespaces, MTU 1500, nothing pinned. bridge: the kernel's, with veth pairs. vde: vde_switch "+
		"with its own taps. ovs-tap-tso: Open vSwitch's datapath in user space, taps with TSO. ipnfs: taps; -veth, -grab: by these files. TCP: iperf3, the kernel's default congestion "+
		"control. CPU: busy time of all CPUs together; \"switch\": of the switch's own processes. Frames: packet sockets, one direction, up to 64 "+
		"frames a call; the highest rate of which at most 0.1 %% is lost; sizes count the FCS, which is not sent. Ping: %d, every %s s; it "+
		"counts whole microseconds. \"x\": median of the ratios to the bridge in the same round.", pings, pingInterval)
	profileNote = "Of the switch's own processes, for each frame delivered: 64-byte frames, 20,000 a second and as many as the sender can. One run."
)

// switchTests are those of part switch.
func switchTests(columns []string) []test {
	return forSwitches(sectionSwitch, switches[0].name, columns, []test{
		{id: "tcp1", measure: tcp(1), rows: []row{
			{title: "TCP, 1 stream, Gbit/s", key: "gbits", ratios: atLeast(1)},
			{title: "CPU s/GB, 1 stream", key: "cpu"},
			{title: "switch CPU s/GB, 1 stream", key: "switch_cpu"}}},
		{id: "tcp4", measure: tcp(4), rows: []row{{title: "TCP, 4 streams, Gbit/s", key: "gbits", ratios: atLeast(0.9)}}},
		{id: "pairs", measure: pairs, rows: []row{{title: "TCP, two pairs of hosts, Gbit/s", key: "gbits", ratios: atLeast(0.7)}}},
		{id: "fps64", measure: lossless("64"), rows: []row{
			{title: "64-byte frames/s without loss", key: "fps", ratios: map[string]float64{"bridge": 1, "vde": 1.3}},
			{title: "64-byte frames/s delivered of a flood", key: "flood_fps"}}},
		{id: "fps1400", measure: lossless("1400"), rows: []row{{title: "1400-byte frames/s without loss", key: "fps"}}},
		{id: "ping", measure: ping, rows: []row{{title: "ping, median µs", key: "p50", most: map[string]float64{"bridge": 2}}}},
	})
}

// forSwitches completes tests of a part whose candidates are switches.
func forSwitches(section, reference string, columns []string, tests []test) []test {
	for i := range tests {
		tests[i].section, tests[i].reference = section, reference
		tests[i].columns, tests[i].free = columns, true
	}
	return tests
}

// atLeast are what ipnfs shall reach of its peers in TCP.
func atLeast(bridge float64) map[string]float64 {
	return map[string]float64{"bridge": bridge, "vde": 10, "ovs-tap-tso": 1.3}
}

// ethernet is part switch.
func (b *session) ethernet() {
	var more []func([]string) []test
	if b.profile {
		more = append(more, profileTests)
	}
	candidates := slices.Clone(switches)
	if b.chosen("ipnfs-veth") && b.lacksVeth() != "" {
		candidates = slices.DeleteFunc(candidates, func(s netSwitch) bool { return s.name == "ipnfs-veth" })
	}
	b.compare(candidates, switchTests, more...)
}

// compare does the tests with all candidates in each round, and more tests once, and reports.
func (b *session) compare(candidates []netSwitch, list func(columns []string) []test, more ...func([]string) []test) {
	removeLeftovers()
	present, absent := b.presentSwitches(candidates)
	var columns []string
	for _, s := range present {
		columns = append(columns, s.name)
	}
	unwanted := func(t test) bool { return !b.measure.match(t.name()) }
	tests := slices.DeleteFunc(list(columns), unwanted)
	for round := range b.options.rounds {
		b.switchRound(round, present, tests)
	}
	for _, list := range more {
		once := slices.DeleteFunc(list(columns), unwanted)
		b.switchRound(0, present, once)
		tests = append(tests, once...)
	}
	if b.ctx.Err() == nil {
		fmt.Print(b.report(tests, float64(b.tcpSeconds())))
		if len(absent) > 0 {
			fmt.Printf("Absent: %s.\n\n", strings.Join(absent, ", "))
		}
	}
}

// presentSwitches are the candidates that were chosen and are installed, and a word on each that is
// not installed.
func (b *session) presentSwitches(candidates []netSwitch) (present []netSwitch, absent []string) {
	for _, s := range candidates {
		if !b.chosen(s.name) {
			continue
		}
		if program := s.absent(); program != "" {
			absent = append(absent, fmt.Sprintf("%s (no %s)", s.name, program))
			fmt.Fprintf(os.Stderr, "bench: %s is absent: %s is not installed\n", s.name, program)
			continue
		}
		present = append(present, s)
	}
	return present, absent
}

// switchRound starts all candidates, gives each its turn at each test and stops them.
func (b *session) switchRound(round int, candidates []netSwitch, tests []test) {
	lans := map[string]*lan{}
	for i := range candidates {
		if b.ctx.Err() != nil || len(tests) == 0 {
			break
		}
		l, err := b.startLAN(&candidates[i])
		if err != nil {
			b.fail(err)
			continue
		}
		lans[l.name] = l
	}
	for _, t := range tests {
		for i := range t.columns {
			l := lans[t.columns[(i+round)%len(t.columns)]]
			if l == nil || b.ctx.Err() != nil {
				continue
			}
			fmt.Fprintf(os.Stderr, "bench: round %d/%d, %s, %s\n", round+1, b.options.rounds, t.name(), l.name)
			values, err := t.measure(b, l)
			if err != nil {
				b.fail(fmt.Errorf("%s: %s: %w", l.name, t.name(), err))
				continue
			}
			b.results = append(b.results, result{round, t.name(), t.free, l.name, values})
		}
	}
	for _, l := range lans {
		b.stopLAN(l)
	}
}
