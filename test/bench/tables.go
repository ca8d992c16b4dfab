package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// filled is a start that puts so many more addresses into the switch's table, in turn at its hosts'
// ports.
func filled(start func(*session, *lan) error, addresses int) func(*session, *lan) error {
	return func(b *session, l *lan) error {
		if err := start(b, l); err != nil {
			return err
		}
		if l.doors == "" {
			return b.fillBridge(l, addresses)
		}
		return fillNetwork(l.doors, addresses)
	}
}

// fillNetwork gives a network of ipnfs static addresses.
func fillNetwork(network string, addresses int) error {
	if err := write(network, "switch/fdb_max", "1048576"); err != nil {
		return err
	}
	fdb, err := os.OpenFile(filepath.Join(network, "switch/fdb"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer fdb.Close()
	for i := range addresses {
		if _, err := fmt.Fprintf(fdb, "add %s port=%d\n", address(i), 1+i%hostCount); err != nil {
			return err
		}
	}
	return nil
}

// fillBridge gives startBridge's bridge as many.
func (b *session) fillBridge(l *lan, addresses int) error {
	var batch strings.Builder
	for i := range addresses {
		fmt.Fprintf(&batch, "fdb add %s dev port%d master static\n", address(i), i%hostCount)
	}
	return b.batch(l.space, "bridge", batch.String())
}

// batch has ip or bridge run lines in a namespace.
func (b *session) batch(netns, tool, lines string) error {
	file := filepath.Join(b.dir, "batch")
	if err := os.WriteFile(file, []byte(lines), 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	_, err := run(ctx, within(netns, tool, "-batch", file)...)
	return err
}

// address is the i-th that no host has.
func address(i int) net.HardwareAddr {
	a := pupil(i)
	return a[:]
}
