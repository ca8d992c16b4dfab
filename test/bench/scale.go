package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	manyPorts    = 10000
	manyNetworks = 1000
	maxResident  = 20.0 // MiB with manyPorts blocked readers
)

// scale does what is counted rather than timed, once: many ports, many networks.
func (b *session) scale() {
	if b.measure.match("Ports") {
		b.manyPorts()
	}
	if b.measure.match("Networks") && b.chosen("ipnfs") {
		b.manyNetworks()
	}
}

func (b *session) manyPorts() {
	fmt.Printf("## Ports\n\n%d open ports on one network, a reader blocked in each; nothing pinned, one run.\n\n", manyPorts)
	fmt.Println("| | opened, µs each | resident before, MiB | resident, MiB | threads | goroutines | broadcast to all, ms | ports left |")
	fmt.Println("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, name := range []string{"C-hub", "go-fuse-hub", "ipnfs"} {
		if b.ctx.Err() != nil || !b.chosen(strings.TrimSuffix(name, "-hub")) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %d ports on %s\n", manyPorts, name)
		line, err := b.holdPorts(name)
		if err != nil {
			b.fail(fmt.Errorf("%d ports on %s: %w", manyPorts, name, err))
			continue
		}
		fmt.Println(line)
	}
	fmt.Println()
}

// holdPorts opens the ports on one candidate, looks at it and closes them. It returns a table line.
func (b *session) holdPorts(name string) (string, error) {
	d, err := b.start(name, false)
	if err != nil {
		return "", err
	}
	defer b.stop(d)
	door := filepath.Join(d.dir, candidates[name].door)
	if name == "ipnfs" {
		door = filepath.Join(d.dir, "wide/port")
	}
	before := d.status("VmRSS") / 1024
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	load, err := b.stepper(ctx, d, []string{"-d", strconv.Itoa(d.pid()), "file", door, "hold", strconv.Itoa(manyPorts)})
	if err != nil {
		return "", err
	}
	defer load.cmd.Wait()
	defer cancel()
	values := map[string]float64{}
	if err := load.answer(values); err != nil {
		return "", err
	}
	resident, threads, goroutines := d.status("VmRSS")/1024, d.status("Threads"), d.goroutines()
	load.next()
	if err := load.answer(values); err != nil {
		return "", err
	}
	load.next()
	if err := load.cmd.Wait(); err != nil {
		return "", err
	}
	values["resident_mib"], values["threads"] = resident, threads
	b.results = append(b.results, result{Test: "Ports", Free: true, Column: strings.TrimSuffix(name, "-hub"), Values: values})
	left, target := "", ""
	if name == "ipnfs" {
		left = d.awaitEmpty("wide/ports")
		target = fmt.Sprintf(", at most %g: %s", maxResident, verdict(resident <= maxResident))
	}
	return fmt.Sprintf("| %s | %s | %s | %s%s | %.0f | %s | %s | %s |", strings.TrimSuffix(name, "-hub"), figure(values["open_us"]),
		figure(before), figure(resident), target, threads, goroutines, figure(values["broadcast_ms"]), left), nil
}

// status reads a number from /proc/PID/status.
func (d *daemon) status(key string) float64 {
	return statusField(fmt.Sprintf("/proc/%d/status", d.pid()), key)
}

// statusField reads a number from such a file.
func statusField(file, key string) float64 {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key+":" {
			v, _ := strconv.ParseFloat(fields[1], 64)
			return v
		}
	}
	return 0
}

// goroutines is what the file `metrics` says of them, if it does.
func (d *daemon) goroutines() string {
	data, _ := os.ReadFile(filepath.Join(d.dir, "metrics"))
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasSuffix(fields[0], "goroutines") {
			return fields[1]
		}
	}
	return "-"
}

// awaitEmpty waits until a directory has no entries; closing is not over when close(2) returns.
func (d *daemon) awaitEmpty(dir string) string {
	start := time.Now()
	for {
		entries, err := os.ReadDir(filepath.Join(d.dir, dir))
		switch took := time.Since(start); {
		case err != nil:
			return err.Error()
		case len(entries) == 0:
			return fmt.Sprintf("0 after %d ms: ok", took.Milliseconds())
		case took > 10*time.Second:
			return fmt.Sprintf("%d after 10 s: %s", len(entries), verdict(false))
		}
		time.Sleep(time.Millisecond)
	}
}

func (b *session) manyNetworks() {
	fmt.Fprintf(os.Stderr, "bench: %d networks\n", manyNetworks)
	d, err := b.start("ipnfs", false)
	if err != nil {
		b.fail(err)
		return
	}
	defer b.stop(d)
	fmt.Printf("## Networks\n\n%d networks on one mount, made and removed one after the other, one run; µs each.\n\n", manyNetworks)
	fmt.Println("| | median | p99 | most | errors |\n| --- | ---: | ---: | ---: | ---: |")
	resident := d.status("VmRSS")
	b.each("mkdir", d, func(dir string) error { return os.Mkdir(dir, 0o755) })
	grown := d.status("VmRSS") - resident
	entries, _ := os.ReadDir(d.dir)
	b.each("rmdir", d, os.Remove)
	left, _ := filepath.Glob(filepath.Join(d.dir, "bench*"))
	fmt.Printf("\n%d entries in the root with them, %d of them left afterwards: %s; %s KiB resident for each.\n\n", len(entries),
		len(left), verdict(len(entries) > manyNetworks && len(left) == 0), figure(grown/manyNetworks))
}

// each does something to every network and prints how long it took.
func (b *session) each(what string, d *daemon, do func(dir string) error) {
	var took []float64
	errors := 0
	for i := range manyNetworks {
		start := time.Now()
		if err := do(filepath.Join(d.dir, fmt.Sprintf("bench%d", i))); err != nil {
			if errors++; errors == 1 {
				b.fail(err)
			}
		}
		took = append(took, float64(time.Since(start).Nanoseconds())/1e3)
	}
	slices.Sort(took)
	b.results = append(b.results, result{Test: "Networks: " + what, Free: true, Column: "ipnfs", Values: map[string]float64{
		"p50": took[len(took)/2], "p99": took[len(took)*99/100], "errors": float64(errors)}})
	fmt.Printf("| %s | %s | %s | %s | %d: %s |\n", what, figure(took[len(took)/2]), figure(took[len(took)*99/100]),
		figure(took[len(took)-1]), errors, verdict(errors == 0))
}
