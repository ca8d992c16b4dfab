package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const sectionVhost = "Socket of virtual machines"

const vhostNote = "Two ports of virtio-user, both of one DPDK testpmd that returns by each what came by the other, so that frames go " +
	"round; a network with policy broadcast. ipnfs has one CPU, and testpmd, which never sleeps, another. memcpy: copies a second of as " +
	"many bytes by one thread in C (peers/copy.c), from 256 places, as rings have, to others. ipnfs copies a frame twice: from the one, and to " +
	"the other. taps: 64-byte frames delivered of a flood from a tap to another, policy switch, nothing pinned."

// vhostTests are those of the socket vhost, if there is a program to connect, and what is not there.
func vhostTests() (tests []test, absent []string) {
	if _, err := exec.LookPath("dpdk-testpmd"); err != nil {
		return nil, []string{"vhost (no dpdk-testpmd)"}
	}
	for _, size := range []string{"64", "1514", "60000"} {
		title := "vhost, " + size + " B"
		t := test{section: sectionVhost, id: title, columns: []string{"ipnfs"}, door: "lan/vhost", args: []string{size},
			drive: (*session).vhost, rows: []row{
				{title: title + ", frames/s", key: "fps"},
				{title: title + ", Gbit/s", key: "gbits"},
				{title: title + ", frames/s beside memcpy", key: "memcpy"},
				{title: title + ", CPU µs a frame", key: "cpu"}}}
		if size == "64" {
			t.rows = append(t.rows, row{title: title + ", frames/s beside taps", key: "taps"})
		}
		tests = append(tests, t)
	}
	return tests, nil
}

// vhost has frames of one length go round, and counts them.
func (b *session) vhost(d *daemon, t *test) (map[string]float64, error) {
	bytes, err := strconv.ParseFloat(t.args[0], 64)
	if err != nil {
		return nil, err
	}
	door := filepath.Join(d.dir, t.door)
	network := filepath.Dir(door)
	burst, room, count := "128", "2176", "8192" // frames under way; bytes and number of buffers
	if bytes > 2048 {
		burst, room, count = "32", "62000", "2048"
	}
	begun := counter(network, "received")
	pmd, err := b.launch("testpmd", "", func() bool { return counter(network, "received") > begun+1000 },
		"dpdk-testpmd", "--no-huge", "--no-pci", "--no-telemetry", "-m", "512",
		fmt.Sprintf("--lcores=0@%d,1@%d", b.cpu, (b.cpu+1)%runtime.NumCPU()), fmt.Sprint("--file-prefix=ipnbench", os.Getpid()),
		"--vdev=net_virtio_user0,path="+door, "--vdev=net_virtio_user1,path="+door, "--", "--forward-mode=io", "--tx-first",
		"--burst="+burst, "--mbuf-size="+room, "--total-num-mbufs="+count, "--txpkts="+t.args[0])
	if err != nil {
		return nil, err
	}
	used, had, start := d.cpuSeconds(), counter(network, "received"), time.Now()
	select {
	case <-time.After(time.Duration(b.doorSeconds() * float64(time.Second))):
	case <-b.ctx.Done():
	}
	frames, seconds := counter(network, "received")-had, time.Since(start).Seconds()
	cpu := d.cpuSeconds() - used
	b.stop(pmd)
	values := map[string]float64{"fps": frames / seconds, "gbits": frames * bytes * 8 / seconds / 1e9, "cpu": cpu / frames * 1e6}
	var copied struct{ FPS float64 }
	if out, err := b.run(b.tools["copy"], t.args[0], "256", "0.5"); err != nil {
		return nil, err
	} else if err := json.Unmarshal([]byte(out), &copied); err != nil {
		return nil, fmt.Errorf("copy said %q: %w", out, err)
	}
	values["memcpy"] = values["fps"] / copied.FPS
	if bytes == 64 {
		taps, err := b.betweenTaps()
		if err != nil {
			return nil, err
		}
		values["taps"] = values["fps"] / taps
	}
	return values, nil
}

// betweenTaps is how many 64-byte frames of a flood a network of ipnfs delivers from a tap to another.
func (b *session) betweenTaps() (float64, error) {
	l, err := b.startLAN(&netSwitch{name: "ipnfs", start: (*session).startIPNFS})
	if err != nil {
		return 0, err
	}
	defer b.stopLAN(l)
	values, err := lossless("64")(b, l)
	return values["flood_fps"], err
}

// counter is a figure of a network's file stats.
func counter(network, name string) float64 {
	data, _ := os.ReadFile(filepath.Join(network, "stats"))
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return v
		}
	}
	return 0
}
