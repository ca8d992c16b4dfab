package main

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Ping: how many, and seconds between them.
const (
	pings        = 2000
	pingInterval = "0.002"
)

// tcpSeconds is the length of a TCP test; iperf3 knows whole seconds only.
func (b *session) tcpSeconds() int {
	if b.seconds > 0 {
		return int(math.Ceil(b.seconds))
	}
	return 2
}

// iperf sends TCP from one host to the next and returns bytes and seconds as received.
func (b *session) iperf(l *lan, from, streams int, more ...string) (bytes, seconds float64, err error) {
	args := []string{"iperf3", "-J", "-c", l.hosts[from+1].addr, "-p", iperfPort, "-t", strconv.Itoa(b.tcpSeconds()), "-P", strconv.Itoa(streams)}
	out, err := b.run(within(l.hosts[from].netns, append(args, more...)...)...)
	if err != nil {
		return 0, 0, err
	}
	var said struct {
		End struct {
			Received struct{ Bytes, Seconds float64 } `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		return 0, 0, fmt.Errorf("iperf3 said %q: %w", out, err)
	}
	if said.End.Received.Seconds <= 0 {
		return 0, 0, fmt.Errorf("iperf3 received nothing")
	}
	return said.End.Received.Bytes, said.End.Received.Seconds, nil
}

// tcp measures streams from the first host to the second, and what CPU time they take.
func tcp(streams int) func(*session, *lan) (map[string]float64, error) {
	return func(b *session, l *lan) (map[string]float64, error) { return b.tcp(l, 0, streams) }
}

// pinned measures one stream whose receiver has the CPU that many behind its sender's.
func pinned(apart int) func(*session, *lan) (map[string]float64, error) {
	return func(b *session, l *lan) (map[string]float64, error) {
		return b.tcp(l, 0, 1, "-A", fmt.Sprintf("%d,%d", b.cpu, (b.cpu+apart)%runtime.NumCPU()))
	}
}

// tcp measures streams from a host to the next.
func (b *session) tcp(l *lan, from, streams int, more ...string) (map[string]float64, error) {
	machine, own := busySeconds(), l.cpuSeconds()
	bytes, seconds, err := b.iperf(l, from, streams, more...)
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		"gbits":      bytes * 8 / seconds / 1e9,
		"mbits":      bytes * 8 / seconds / 1e6,
		"cpu":        (busySeconds() - machine) / (bytes / 1e9),
		"switch_cpu": (l.cpuSeconds() - own) / (bytes / 1e9),
	}, nil
}

// pairs measures one stream in each of two pairs of hosts at once.
func pairs(b *session, l *lan) (map[string]float64, error) {
	type outcome struct {
		bytes, seconds float64
		err            error
	}
	outcomes := make(chan outcome, hostCount/2)
	machine := busySeconds()
	for from := 0; from < hostCount; from += 2 {
		go func() {
			bytes, seconds, err := b.iperf(l, from, 1)
			outcomes <- outcome{bytes, seconds, err}
		}()
	}
	sum, all := 0.0, 0.0
	var failed error
	for range cap(outcomes) {
		o := <-outcomes
		if o.err != nil {
			failed = o.err
			continue
		}
		sum += o.bytes * 8 / o.seconds / 1e9
		all += o.bytes
	}
	return map[string]float64{"gbits": sum, "cpu": (busySeconds() - machine) / (all / 1e9)}, failed
}

// lossless measures the highest rate of frames of a size from the first host to the second.
func lossless(size string) func(*session, *lan) (map[string]float64, error) {
	return func(b *session, l *lan) (map[string]float64, error) {
		return b.frames("-s", size, "half", l.hosts[0].port(), l.hosts[1].port())
	}
}

// port is what frames calls a host.
func (h host) port() string { return h.netns + "/eth0" }

// frames runs the generator and returns its figures.
func (b *session) frames(args ...string) (map[string]float64, error) {
	out, err := b.run(append([]string{b.tools["frames"]}, args...)...)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	if err := json.Unmarshal([]byte(out), &values); err != nil {
		return nil, fmt.Errorf("frames said %q: %w", out, err)
	}
	return values, nil
}

// ping measures the round trip.
func ping(b *session, l *lan) (map[string]float64, error) {
	out, err := b.run(within(l.hosts[0].netns, "ping", "-n", "-c", strconv.Itoa(pings), "-i", pingInterval, l.hosts[1].addr)...)
	if err != nil {
		return nil, err
	}
	var took []float64
	for line := range strings.Lines(out) {
		if _, after, found := strings.Cut(line, "time="); found {
			ms, _, _ := strings.Cut(after, " ")
			v, err := strconv.ParseFloat(ms, 64)
			if err != nil {
				return nil, fmt.Errorf("ping said %q", line)
			}
			took = append(took, v*1e3)
		}
	}
	if len(took) < pings*99/100 {
		return nil, fmt.Errorf("ping: %d answers to %d", len(took), pings)
	}
	slices.Sort(took)
	return map[string]float64{"p50": took[len(took)/2], "p99": took[len(took)*99/100]}, nil
}
