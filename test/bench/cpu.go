package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// busySeconds is the time that all CPUs together have worked since the machine started.
func busySeconds() float64 {
	const hertz = 100 // of /proc/stat: USER_HZ, which is the same everywhere
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq ...
	sum := 0.0
	for i, f := range fields[:min(len(fields), 8)] {
		if v, err := strconv.ParseFloat(f, 64); err == nil && i != 4 && i != 5 {
			sum += v
		}
	}
	return sum / hertz
}

// switchDaemons are those that are not iperf3.
func (l *lan) switchDaemons() (own []*daemon) {
	for _, d := range l.daemons {
		if d.name != "iperf3" {
			own = append(own, d)
		}
	}
	return own
}

// cpuSeconds is what the switch's processes have used.
func (l *lan) cpuSeconds() float64 {
	sum := 0.0
	for _, d := range l.switchDaemons() {
		sum += d.cpuSeconds()
	}
	return sum
}

// cpuSeconds is what a daemon has used, 0 if that cannot be told.
func (d *daemon) cpuSeconds() float64 {
	const cpuclockSched = 2 // see clock_getcpuclockid(3)
	var t unix.Timespec
	if unix.ClockGettime(int32(^d.pid()<<3|cpuclockSched), &t) != nil {
		return 0
	}
	return float64(t.Nano()) / 1e9
}

// childSeconds is what programs that have ended have used, which run ran.
func childSeconds() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// contextSwitches is how often the switch's threads went to sleep or were preempted.
func (l *lan) contextSwitches() float64 {
	sum := 0.0
	for _, d := range l.switchDaemons() {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", d.pid()))
		for _, t := range tasks {
			status := fmt.Sprintf("/proc/%d/task/%s/status", d.pid(), t.Name())
			sum += statusField(status, "voluntary_ctxt_switches") + statusField(status, "nonvoluntary_ctxt_switches")
		}
	}
	return sum
}
