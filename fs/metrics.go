package fs

import (
	"fmt"
	"strings"

	"ipnfs/bus"
)

// metric is a family in the Prometheus text format (version 0.0.4).
type metric struct {
	name, kind, help string
	value            func(*bus.Stats) uint64
}

var metrics = []metric{
	{"ports", "gauge", "Connected port numbers.", func(s *bus.Stats) uint64 { return uint64(s.Ports) }},
	{"readers", "gauge", "Connections that may receive.", func(s *bus.Stats) uint64 { return uint64(s.Readers) }},
	{"writers", "gauge", "Connections that may send.", func(s *bus.Stats) uint64 { return uint64(s.Writers) }},
	{"frames_total", "counter", "Frames accepted from senders.", func(s *bus.Stats) uint64 { return s.Frames }},
	{"bytes_total", "counter", "Bytes accepted from senders.", func(s *bus.Stats) uint64 { return s.Bytes }},
	{"refused_total", "counter", "Frames refused for being over the mtu.", func(s *bus.Stats) uint64 { return s.Refused }},
	{"received_frames_total", "counter", "Copies that receivers took.", func(s *bus.Stats) uint64 { return s.Received }},
	{"received_bytes_total", "counter", "Bytes that receivers took.", func(s *bus.Stats) uint64 { return s.ReceivedBytes }},
	{"queued_frames", "gauge", "Copies waiting for their receivers.", func(s *bus.Stats) uint64 { return s.Queued }},
	{"queued_bytes", "gauge", "Bytes waiting for their receivers.", func(s *bus.Stats) uint64 { return s.QueuedBytes }},
}

// labels escapes a label value as the text format asks.
var labels = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// costOfNetwork is about how many bytes the metrics of one network take.
const costOfNetwork = 4 << 10

func costOfMetrics(f *FS, _ *node) int { return len(f.bus.Networks()) * costOfNetwork }

func readMetrics(f *FS, _ *node) string {
	var b strings.Builder
	family := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP ipnfs_%s %s\n# TYPE ipnfs_%s %s\n", name, help, name, kind)
	}
	single := func(name, kind, help string, value int64) {
		family(name, kind, help)
		fmt.Fprintf(&b, "ipnfs_%s %d\n", name, value)
	}
	networks := f.bus.Networks()
	stats := make([]bus.Stats, len(networks))
	names := make([]string, len(networks))
	for i, n := range networks {
		stats[i], names[i] = n.Stats(), labels.Replace(n.Name())
	}
	single("networks", "gauge", "Networks on this mount.", int64(len(networks)))
	single("memory_bytes", "gauge", "Memory held for users: frames that wait, tables, texts.", f.bus.Memory.Used())
	single("memory_limit_bytes", "gauge", "Cap on memory_bytes (mem=).", f.bus.Memory.Limit())
	single("start_time_seconds", "gauge", "When the file system was mounted, Unix time.", f.started.Unix())
	for _, m := range metrics {
		family("network_"+m.name, m.kind, m.help)
		for i := range stats {
			fmt.Fprintf(&b, "ipnfs_network_%s{network=\"%s\"} %d\n", m.name, names[i], m.value(&stats[i]))
		}
	}
	family("network_dropped_total", "counter", "Frames dropped, by reason.")
	for i := range stats {
		for _, line := range stats[i].List() {
			if reason, ok := strings.CutPrefix(line.Name, "drop_"); ok {
				fmt.Fprintf(&b, "ipnfs_network_dropped_total{network=\"%s\",reason=\"%s\"} %d\n", names[i], reason, line.Value)
			}
		}
	}
	return b.String()
}
