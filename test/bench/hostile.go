package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// attacks are those rows of test/hostile that are measured: the worst of each kind.
var attacks = []string{"stream-drop-old", "port-writes", "mirrors", "snooping", "stream-nobody", "events-joins", "events-learned",
	"fdb-read", "fdb-full-close", "trees-ticks", "readers-killed", "senders-waiting", "mkdir-storm", "reports", "rings", "texts"}

const sectionHostile = "Beside an attack"

// attackTest is a row as a test.
func attackTest(name string) *test { return &test{section: sectionHostile, id: name, free: true} }

// suffered is what test/hostile writes for each row.
type suffered struct {
	Row             string
	Quiet, Attacked struct{ P50, P999, Worst, Hello, Files float64 } // milliseconds
	Peak            float64                                          // MiB
}

// hostile is the part of that name: each row mounts anew and lets a victim measure, first alone and
// then beside attackers.
func (b *session) hostile() {
	if b.bin == "" {
		b.fail(fmt.Errorf("part hostile needs -bin"))
		return
	}
	tool := filepath.Join(b.dir, "hostile")
	err := compile(b.ctx, "", "go", "test", "-c", "-o", tool, path.Join(path.Dir(ownPath()), "hostile"))
	if err != nil {
		b.fail(err)
		return
	}
	rows := slices.DeleteFunc(slices.Clone(attacks), func(name string) bool { return !b.measure.match(attackTest(name).name()) })
	for round := range b.options.rounds {
		fmt.Fprintf(os.Stderr, "bench: round %d/%d, %s\n", round+1, b.options.rounds, sectionHostile)
		if err := b.suffer(tool, rows, round); err != nil {
			b.fail(err)
		}
	}
	if b.ctx.Err() == nil {
		fmt.Print(b.hostileReport(rows))
	}
}

// suffer does one round.
func (b *session) suffer(tool string, rows []string, round int) error {
	file := filepath.Join(b.dir, fmt.Sprint("hostile-", round))
	cmd := exec.CommandContext(b.ctx, tool, "-test.timeout=10m", "-tries=1", "-figures="+file,
		"-test.run=^TestAttacks$/^("+strings.Join(rows, "|")+")$")
	cmd.Env = append(os.Environ(), "IPNFS_TEST_BINARY="+b.bin)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	// What it has started ends with it.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.Output(); err != nil {
		b.fail(fmt.Errorf("hostile: %w\n%s", err, out))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var s suffered
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		q, a := s.Quiet, s.Attacked
		b.results = append(b.results, result{round, attackTest(s.Row).name(), true, "ipnfs", map[string]float64{
			"p50": q.P50, "p999": q.P999, "worst": q.Worst, "files": q.Files,
			"p50 attacked": a.P50, "p999 attacked": a.P999, "worst attacked": a.Worst, "files attacked": a.Files,
			"hello attacked": a.Hello, "peak": s.Peak,
		}})
	}
	return nil
}

// hostileReport is the table: quiet / attacked.
func (b *session) hostileReport(rows []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "## %s\n\nRound trips (one write and one read) of a user on a network of his own, the longest look at his "+
		"files, and the longest gap between the hellos of his switch (hello=1), in milliseconds: quiet / beside an attack of "+
		"a user without rights on another network. Memory: the most that the daemon held, in MiB. A dash: no answer. "+
		"Medians of %d rounds.\n\n", sectionHostile, b.options.rounds)
	line(&out, []string{"attack", "p50", "p99.9", "worst", "files", "hello", "memory"})
	line(&out, []string{"---", "---:", "---:", "---:", "---:", "---:", "---:"})
	for _, name := range rows {
		t := attackTest(name)
		cell := func(key string) string {
			s := b.series(t, "ipnfs", key)
			if len(s) == 0 {
				return "-"
			}
			return figure(s.median())
		}
		cells := []string{name}
		for _, key := range []string{"p50", "p999", "worst", "files"} {
			cells = append(cells, cell(key)+" / "+cell(key+" attacked"))
		}
		line(&out, append(cells, cell("hello attacked"), cell("peak")))
	}
	out.WriteString("\n")
	return out.String()
}
