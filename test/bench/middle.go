package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const sectionMiddle = "A program in the middle"

const middleNote = "Two hosts on two networks, and a program between them that copies frames: what it costs to look at each frame, or to change " +
	"it, in a program of one's own. ipnfs: the program (peers/middle.c) copies from each network's `stream` to the other's, as many frames a " +
	"call as there are; ipnfs-port: it copies between their files `port`, a frame a call. vde: dpipe with two vde_plugs, between two " +
	"vde_switches. direct: both hosts on one network of ipnfs, and nothing between them. All hosts have taps. \"x\": median of the ratios to direct in " +
	"the same round. The rest is as in Switch."

// middles are the candidates of part middle; ratios are to the first. Hosts of even number are on one
// side, the others on the other.
var middles = []netSwitch{
	{"direct", nil, (*session).startIPNFS},
	{"vde", []string{"vde_switch", "vde_plug", "dpipe"}, (*session).startPlugs},
	{"ipnfs-port", nil, startCopier("port")},
	{"ipnfs", nil, startCopier("stream")},
}

// middleTests are those of part middle.
func middleTests(columns []string) []test {
	return forSwitches(sectionMiddle, middles[0].name, columns, []test{
		{id: "tcp1", measure: tcp(1), rows: []row{
			{title: "TCP, 1 stream, Mbit/s", key: "mbits"},
			{title: "CPU s/GB, 1 stream", key: "cpu"}}},
		{id: "fps64", measure: lossless("64"), rows: []row{
			{title: "64-byte frames/s without loss", key: "fps"},
			{title: "64-byte frames/s delivered of a flood", key: "flood_fps"}}},
		{id: "ping", measure: ping, rows: []row{{title: "ping, median µs", key: "p50"}}},
	})
}

// middle is the part of that name.
func (b *session) middle() { b.compare(middles, middleTests) }

// startPlugs: two vde_switches and two plugs.
func (b *session) startPlugs(l *lan) error {
	dir, err := os.MkdirTemp(b.dir, "vde-")
	if err != nil {
		return err
	}
	var sides [2]string
	for side := range sides {
		sides[side] = fmt.Sprint(dir, "/ctl", side)
		args := []string{"vde_switch", "-s", sides[side]}
		for i := side; i < hostCount; i += 2 {
			args = append(args, "-t", fmt.Sprint("tap", i))
		}
		if err := b.serve(l, exists(sides[side]+"/ctl"), args...); err != nil {
			return err
		}
	}
	for i := range l.hosts {
		if err := b.plug(l, i, fmt.Sprint("tap", i)); err != nil {
			return err
		}
	}
	return b.serve(l, always, "dpipe", "vde_plug", sides[0], "=", "vde_plug", sides[1])
}

// startCopier: two networks of ipnfs, and a program that copies between their files of that name.
func startCopier(file string) func(*session, *lan) error {
	return func(b *session, l *lan) error {
		sides, err := b.startSides(l)
		if err != nil {
			return err
		}
		return b.serve(l, always, b.tools["middle"], filepath.Join(sides[0], file), filepath.Join(sides[1], file))
	}
}

// startSides: two networks of ipnfs with taps, and nothing between them.
func (b *session) startSides(l *lan) (sides [2]string, err error) {
	if err := b.startNetwork(l); err != nil {
		return sides, err
	}
	sides = [2]string{l.doors, filepath.Join(filepath.Dir(l.doors), "other")}
	if err := os.Mkdir(sides[1], 0o755); err != nil {
		return sides, err
	}
	if err := write(sides[1], "policy", "switch"); err != nil {
		return sides, err
	}
	for i, h := range l.hosts {
		if err := write(sides[i%2], "tap", "eth0 netns="+h.netns+" addr="+h.addr+"/24 up"); err != nil {
			return sides, err
		}
	}
	return sides, nil
}

// always is for what need not be waited for: startLAN waits until hosts reach one another.
func always() bool { return true }
