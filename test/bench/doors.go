package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const sectionDoors = "Sockets of a network"

const doorsNote = "What one of two clients receives of the other; nothing pinned. ctl: clients of libvdeplug (peers/vdeplug.c), beside " +
	"vde_switch. qemu and seq: a stream, and packets (peers/packets.c), beside a forwarder in C that knows two peers and looks at no frame. " +
	"ipnfs: a network with policy switch. At most 64 frames are on their way; flood: as many as the sender can, of which some are lost, or, on a network whose overflow is block, few. " +
	"CPU: of the switch's process, for each frame received."

// doors is the part of that name.
func (b *session) doors() {
	tests, absent := b.ctlTests()
	for _, file := range []string{"qemu", "seq"} {
		for _, size := range []string{"64", "1500"} {
			tests = append(tests, socketTest(file, "packets", []string{"C", "ipnfs"}, row{ratios: map[string]float64{"C": 0.8}},
				"", "ethernet/"+file, "load", file, size))
		}
	}
	vhost, missing := vhostTests()
	absent = append(absent, missing...)
	unwanted := func(t test) bool { return !b.measure.match(t.name()) }
	tests, vhost = slices.DeleteFunc(tests, unwanted), slices.DeleteFunc(vhost, unwanted)
	for round := range b.options.rounds {
		b.round(round, tests)
		b.round(round, vhost)
	}
	if b.ctx.Err() == nil {
		fmt.Print(b.report(slices.Concat(tests, vhost), b.doorSeconds()))
		if len(absent) > 0 {
			fmt.Printf("Absent: %s.\n\n", strings.Join(absent, ", "))
		}
	}
}

// doorSeconds is the length of a test of part doors.
func (b *session) doorSeconds() float64 {
	if b.seconds > 0 {
		return b.seconds
	}
	return 2
}

// ctlTests are those of clients of libvdeplug, if it is there, and what is not.
func (b *session) ctlTests() (tests []test, absent []string) {
	tools, err := build(b.ctx, b.dir, []string{"vdeplug"})
	if err != nil {
		return nil, []string{"ctl (no libvdeplug-dev)"}
	}
	b.tools["vdeplug"] = tools["vdeplug"]
	columns := []string{"vde", "ipnfs"}
	vde := netSwitch{needs: []string{"vde_switch"}}
	if program := vde.absent(); program != "" {
		columns, absent = columns[1:], []string{"vde (no " + program + ")"}
	}
	for _, size := range []string{"64", "1500"} {
		goals := row{ratios: map[string]float64{"vde": 1.5}, most: map[string]float64{"vde": 1}}
		tests = append(tests,
			socketTest("ctl", "vdeplug", columns, goals, "", "ethernet", "window", size),
			socketTest("ctl", "vdeplug", columns, row{}, ", flood", "ethernet", "flood", size),
			socketTest("ctl", "vdeplug", columns, row{}, ", flood, block", "patient", "flood", size))
	}
	return tests, absent
}

// socketTest is a test of a socket by a client, which is given the arguments, with the socket's path
// before the last, the frames' length. goals are those of frames a second, and of CPU time at most.
func socketTest(kind, tool string, columns []string, goals row, how, door string, args ...string) test {
	title := kind + ", " + args[len(args)-1] + " B" + how
	return test{section: sectionDoors, id: title, columns: columns, kind: kind, free: true, door: door, args: args, drive: socketClient(tool),
		rows: []row{
			{title: title + ", frames/s", key: "fps", ratios: goals.ratios},
			{title: title + ", CPU µs a frame", key: "cpu", most: goals.most}}}
}

// socketClient runs a program that is a pair of clients of a candidate.
func socketClient(tool string) func(*session, *daemon, *test) (map[string]float64, error) {
	return func(b *session, d *daemon, t *test) (map[string]float64, error) {
		door := candidates[d.name].door
		if d.name == "ipnfs" {
			door = t.door
		}
		last := len(t.args) - 1
		command := append([]string{b.tools[tool]}, t.args[:last]...)
		command = append(command, filepath.Join(d.dir, door), t.args[last], strconv.FormatFloat(b.doorSeconds(), 'f', -1, 64))
		used := d.cpuSeconds()
		out, err := b.run(command...)
		if err != nil {
			return nil, err
		}
		values := map[string]float64{}
		if err := json.Unmarshal([]byte(out), &values); err != nil {
			return nil, fmt.Errorf("%s said %q: %w", tool, out, err)
		}
		values["cpu"] = (d.cpuSeconds() - used) / values["frames"] * 1e6
		return values, nil
	}
}
