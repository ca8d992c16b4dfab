package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// profileTests count what the switch's processes do for a frame.
func profileTests(columns []string) []test {
	calls := func(id, rate, title string) test {
		return test{section: sectionProfile, id: id, columns: columns, free: true, once: true, measure: profile(rate), rows: []row{
			{title: "system calls, " + title, key: "calls"},
			{title: "context switches, " + title, key: "switches"},
			{title: "lost, %, " + title, key: "loss"},
		}}
	}
	return []test{calls("20000", "20000", "20,000 a second"), calls("flood", "0", "flood")}
}

// profile sends 64-byte frames from the first host to the second for a second. System calls are
// counted by perf, and left out if that cannot be.
func profile(rate string) func(*session, *lan) (map[string]float64, error) {
	return func(b *session, l *lan) (map[string]float64, error) {
		file := filepath.Join(b.dir, "perf")
		args := []string{b.tools["frames"], "-t", "1", "-r", rate, "-s", "64", "half", l.hosts[0].port(), l.hosts[1].port()}
		if pids := l.pids(); pids != "" && perfWorks(b) {
			args = append([]string{"perf", "stat", "-x,", "-o", file, "-e", "raw_syscalls:sys_enter", "-p", pids, "--"}, args...)
		}
		before := l.contextSwitches()
		out, err := b.run(args...)
		if err != nil {
			return nil, err
		}
		values := map[string]float64{}
		if err := json.Unmarshal([]byte(out), &values); err != nil {
			return nil, fmt.Errorf("frames said %q: %w", out, err)
		}
		values["switches"] = (l.contextSwitches() - before) / values["received"]
		if calls, ok := perfCount(file); ok {
			values["calls"] = calls / values["received"]
		}
		return values, os.RemoveAll(file)
	}
}

// pids are the switch's processes, with commas.
func (l *lan) pids() string {
	var all []string
	for _, d := range l.switchDaemons() {
		all = append(all, strconv.Itoa(d.pid()))
	}
	return strings.Join(all, ",")
}

func perfWorks(b *session) bool {
	return exec.CommandContext(b.ctx, "perf", "stat", "-e", "raw_syscalls:sys_enter", "true").Run() == nil
}

// perfCount reads the first number of perf stat -x.
func perfCount(file string) (float64, bool) {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if count, _, found := strings.Cut(line, ","); found {
			v, err := strconv.ParseFloat(count, 64)
			return v, err == nil
		}
	}
	return 0, false
}
