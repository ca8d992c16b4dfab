package main

import (
	"errors"
	"fmt"
	"path/filepath"
)

const (
	sectionVLANs  = "Fast path with VLANs"
	sectionMirror = "Fast path with a mirror"
)

const (
	vlansNote = "ipnfs: `vlan` on, all hosts in VLAN 10 by `pvid`. Tagged: the port of the receiver has 10 in `vlans`, so that each frame gets a tag on " +
		"its way; TCP has an interface of the VLAN there. ipnfs-plain: `vlan` off, no frame has a tag. bridge: without VLANs. The rest is as above."
	mirrorNote = "ipnfs, ipnfs-tap: a reader of `stream` gets all frames of the first host by `mirror`; ipnfs-plain: nothing is mirrored. One stream from the " +
		"first host to the second, then from the third to the fourth. The rest is as above."
)

// vlanSwitches and mirrorSwitches are the candidates of these sections.
var (
	vlanSwitches = []netSwitch{
		{"bridge", nil, (*session).startBridge},
		{"ipnfs-plain", nil, veths()},
		{"ipnfs", nil, veths("switch/vlan on", "ports/1/pvid 10", "ports/2/pvid 10", "ports/3/pvid 10", "ports/4/pvid 10")},
	}
	mirrorSwitches = []netSwitch{
		{"bridge", nil, (*session).startBridge},
		{"ipnfs-tap", nil, mirrored((*session).startIPNFS)},
		{"ipnfs-plain", nil, veths()},
		{"ipnfs", nil, mirrored(veths())},
	}
)

// vlanTests are those with VLANs.
func (b *session) vlanTests(columns []string) []test {
	near, most := map[string]float64{"ipnfs-plain": 0.95}, map[string]float64{"ipnfs-plain": 1.05}
	rows := func(title string) []row {
		return []row{{title: title + ", Gbit/s", key: "gbits", ratios: near}, {title: title + ", CPU s/GB", key: "cpu", most: most}}
	}
	tests := []test{
		{id: "tcp1", measure: tcp(1), rows: rows("TCP, 1 stream")},
		{id: "one CPU", measure: pinned(0), rows: rows("TCP, one CPU")},
		{id: "two CPUs", measure: pinned(1), rows: rows("TCP, two CPUs")},
		{id: "fps64", measure: lossless("64"), rows: []row{{title: "64-byte frames/s without loss", key: "fps", ratios: near}}},
		{id: "fps64 tagged", measure: tagged(lossless("64")), rows: []row{{title: "64-byte frames/s without loss, tagged", key: "fps", ratios: near}}},
		{id: "ping", measure: ping, rows: []row{
			{title: "ping, median µs", key: "p50", most: most},
			{title: "ping, 99 % within µs", key: "p99", most: most}}},
	}
	tcpTagged := test{id: "tcp tagged", measure: tagged(tcpTagged), rows: rows("TCP, one CPU, tagged")}
	if b.knowsVLANs() {
		tests = append(tests, tcpTagged)
	} else if b.measure.match(sectionVLANs + ": " + tcpTagged.id) {
		fmt.Printf("Absent in \"%s\": TCP, tagged (the kernel has no interfaces of VLANs).\n\n", sectionVLANs)
	}
	return forSwitches(sectionVLANs, "bridge", columns, tests)
}

// mirrorTests are those with a mirror.
func mirrorTests(columns []string) []test {
	from := func(host int) func(*session, *lan) (map[string]float64, error) {
		return func(b *session, l *lan) (map[string]float64, error) { return b.tcp(l, host, 1) }
	}
	return forSwitches(sectionMirror, "bridge", columns, []test{
		{id: "mirrored", measure: from(0), rows: []row{
			{title: "TCP of the mirrored port, Gbit/s", key: "gbits", ratios: map[string]float64{"ipnfs-tap": 0.9}},
			{title: "TCP of the mirrored port, CPU s/GB", key: "cpu"}}},
		{id: "others", measure: from(2), rows: []row{
			{title: "TCP of others, Gbit/s", key: "gbits", ratios: map[string]float64{"ipnfs-plain": 0.97}},
			{title: "TCP of others, CPU s/GB", key: "cpu"}}},
	})
}

// knowsVLANs says whether this kernel has interfaces of VLANs.
func (b *session) knowsVLANs() bool {
	ns := netnsPrefix + "vlans"
	defer removeNamespace(ns)
	return b.ip("netns add "+ns, "-n "+ns+" link add link lo name vlan10 type vlan id 10") == nil
}

// tagged is a measurement while the second host's port gets the frames of VLAN 10 with a tag, if
// ipnfs has VLANs.
func tagged(measure func(*session, *lan) (map[string]float64, error)) func(*session, *lan) (map[string]float64, error) {
	return func(b *session, l *lan) (map[string]float64, error) {
		if l.name != "ipnfs" {
			return measure(b, l)
		}
		if err := write(l.doors, "ports/2/vlans", "10"); err != nil {
			return nil, err
		}
		values, err := measure(b, l)
		return values, errors.Join(err, write(l.doors, "ports/2/vlans", "none"))
	}
}

// tcpTagged measures one stream to the second host, in ipnfs's VLAN to an interface of it.
func tcpTagged(b *session, l *lan) (map[string]float64, error) {
	if l.name != "ipnfs" {
		return pinned(0)(b, l)
	}
	from, to := l.hosts[0].netns, l.hosts[1].netns
	err := b.ip("-n "+from+" addr add 10.0.1.1/24 dev eth0", "-n "+to+" link add link eth0 name eth0.10 type vlan id 10",
		"-n "+to+" addr add 10.0.1.2/24 dev eth0.10", "-n "+to+" link set eth0.10 up")
	if err != nil {
		return nil, err
	}
	inside := *l
	inside.hosts[1].addr = "10.0.1.2"
	values, err := pinned(0)(b, &inside)
	return values, errors.Join(err, b.ip("-n "+from+" addr del 10.0.1.1/24 dev eth0", "-n "+to+" link del eth0.10"))
}

// mirrored is a start after which a reader gets a copy of the first host's frames.
func mirrored(start func(*session, *lan) error) func(*session, *lan) error {
	return func(b *session, l *lan) error {
		if err := start(b, l); err != nil {
			return err
		}
		port := filepath.Join(l.doors, "ports", fmt.Sprint(hostCount+1))
		if err := b.serve(l, exists(port), "cat", filepath.Join(l.doors, "stream")); err != nil {
			return err
		}
		return write(port, "mirror", "1")
	}
}
