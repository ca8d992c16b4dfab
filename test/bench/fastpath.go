package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	sectionFewKnown  = "Fast path with 1000 addresses"
	sectionManyKnown = "Fast path with 100000 addresses"
)

// knownNote is of both of them.
const knownNote = "Hosts, figures and \"x\" as in Switch; so many addresses are in each switch's table as static entries, a quarter of them at each " +
	"host. bridge: the kernel's, with veth pairs. ipnfs: a veth in each host, by which the kernel forwards known addresses. ipnfs-tap: a " +
	"tap in each; before: the same of an older version. ipnfs-user: a veth in each, `switch/fastpath` off, so that all goes by the " +
	"daemon. One CPU, two CPUs: iperf3 -A. CPU: of the whole machine."

// fastSwitches are the candidates; ratios are to the first. Each has so many addresses in its
// table.
func fastSwitches(addresses int) []netSwitch {
	return []netSwitch{
		{"bridge", nil, filled((*session).startBridge, addresses)},
		{"before", nil, filled((*session).startIPNFS, addresses)},
		{"ipnfs-tap", nil, filled((*session).startIPNFS, addresses)},
		{"ipnfs-user", nil, filled(veths("switch/fastpath off"), addresses)},
		{"ipnfs", nil, filled(veths(), addresses)},
	}
}

// knownTests are those of a section with so many addresses.
func knownTests(section string) func(columns []string) []test {
	return func(columns []string) []test {
		return forSwitches(section, "bridge", columns, []test{
			{id: "tcp1", measure: tcp(1), rows: tcpRows("TCP, 1 stream")},
			{id: "one CPU", measure: pinned(0), rows: tcpRows("TCP, one CPU")},
			{id: "two CPUs", measure: pinned(1), rows: tcpRows("TCP, two CPUs")},
			{id: "tcp4", measure: tcp(4), rows: tcpRows("TCP, 4 streams")},
			{id: "pairs", measure: pairs, rows: tcpRows("TCP, two pairs of hosts")},
			{id: "fps64", measure: lossless("64"), rows: []row{
				{title: "64-byte frames/s without loss", key: "fps", ratios: map[string]float64{"bridge": 1.35}, claims: daemonClaims},
				{title: "64-byte frames/s delivered of a flood", key: "flood_fps"}}},
			{id: "ping", measure: ping, rows: []row{
				{title: "ping, median µs", key: "p50", most: map[string]float64{"bridge": 1}},
				{title: "ping, 99 % within µs", key: "p99", most: map[string]float64{"bridge": 1}}}},
		})
	}
}

// daemonClaims are what the way by the daemon shall reach.
var daemonClaims = []claim{{"ipnfs-user", "ipnfs-tap", 0.9}, {"ipnfs-tap", "before", 0.97}}

func tcpRows(title string) []row {
	return []row{
		{title: title + ", Gbit/s", key: "gbits", ratios: map[string]float64{"bridge": 1}, claims: daemonClaims},
		{title: title + ", CPU s/GB", key: "cpu", most: map[string]float64{"bridge": 1}},
	}
}

// fastpath is the part of that name.
func (b *session) fastpath() {
	why := b.lacksVeth()
	none := func([]string) []test { return nil }
	chapters := []struct {
		candidates  []netSwitch
		tests, once func(columns []string) []test
	}{
		{fastSwitches(1000), knownTests(sectionFewKnown), none},
		{fastSwitches(100_000), knownTests(sectionManyKnown), none},
		{vlanSwitches, b.vlanTests, none},
		{mirrorSwitches, mirrorTests, none},
		{thousands, none, thousandTests},
	}
	for _, c := range chapters {
		if why != "" {
			c.candidates = withoutVeths(c.candidates)
		}
		if b.ctx.Err() == nil && len(c.candidates) > 1 {
			b.compare(c.candidates, c.tests, c.once)
		}
	}
}

// withoutVeths are the candidates that need nothing of what lacksVeth looks for.
func withoutVeths(candidates []netSwitch) (others []netSwitch) {
	for _, s := range candidates {
		if slices.Contains([]string{"bridge", "before", "ipnfs-tap"}, s.name) {
			others = append(others, s)
		}
	}
	return others
}

// veths is a start: a network with policy switch and a veth in each host, and commands for files of
// the network, such as "queue 1024".
func veths(settings ...string) func(*session, *lan) error {
	return func(b *session, l *lan) error {
		if err := b.startDevices(l, "veth"); err != nil {
			return err
		}
		for _, s := range settings {
			file, command, _ := strings.Cut(s, " ")
			if err := write(l.doors, file, command); err != nil {
				return err
			}
		}
		return nil
	}
}

// lacksVeth tries whether veths of ipnfs can be measured. If not, since the kernel forwards nothing
// of theirs here, it reports and returns why.
func (b *session) lacksVeth() (why string) {
	if why = b.tryVeth(); why != "" {
		fmt.Printf("Absent: all veths of ipnfs (%s).\n\n", why)
	}
	return why
}

func (b *session) tryVeth() (why string) {
	if b.bin == "" {
		return "no -bin"
	}
	l, err := b.startLAN(&netSwitch{"ipnfs", nil, veths()})
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			b.fail(err)
		}
		return err.Error()
	}
	defer b.stopLAN(l)
	text, err := os.ReadFile(filepath.Join(l.doors, "veth"))
	if err != nil {
		return err.Error()
	}
	_, why, _ = strings.Cut(string(text), "path=user")
	why, _, found := strings.Cut(why, "\n")
	if found {
		return "path=user" + why
	}
	return ""
}
