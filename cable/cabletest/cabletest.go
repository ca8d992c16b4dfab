// Package cabletest is for tests of cables of a kind: it lays them on a network as the
// file cable does.
package cabletest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/creds"
	"ipnfs/lane/lanetest"
)

// Lab is a network, and a peer on it that hears all.
type Lab struct {
	*bustest.Lab
	Heard *bustest.Recorder
	Peer  *bus.Conn
	file  bus.Attacher
}

// New makes a network until the test ends.
func New(tb testing.TB) *Lab {
	tb.Helper()
	l := &Lab{Lab: lanetest.Hub(tb), Heard: &bustest.Recorder{}}
	for _, f := range bus.Files() {
		if f.Name == "cable" {
			l.file = f.Set
		}
	}
	l.Peer = l.Join(tb, l.Heard)
	return l
}

// Self is who runs the test.
func Self(tb testing.TB) bus.Caller {
	tb.Helper()
	by := creds.Of(uint32(os.Getpid()), uint32(os.Geteuid()), uint32(os.Getegid()))
	if !by.Rights.Known {
		tb.Skip("what this process may do is unknown")
	}
	return by
}

// Attach lays a cable, as who runs the test.
func (l *Lab) Attach(tb testing.TB, command string) error {
	tb.Helper()
	return l.file.Attach(l.Net, Self(tb), command)
}

// AttachAs lays a cable, as a caller.
func (l *Lab) AttachAs(by bus.Caller, command string) error { return l.file.Attach(l.Net, by, command) }

// Names are those of the cables.
func (l *Lab) Names() (names []string) {
	for line := range strings.Lines(l.List()) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	return names
}

// Lay lays a cable, and waits until its line has a text.
func (l *Lab) Lay(tb testing.TB, command, text string) {
	tb.Helper()
	if err := l.Attach(tb, command); err != nil {
		tb.Fatal(err)
	}
	l.Await(tb, text)
}

// List is what the file shows.
func (l *Lab) List() string { return l.file.List(l.Net) }

// Await waits until the lines of the cables have a text.
func (l *Lab) Await(tb testing.TB, text string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for !strings.Contains(l.List(), text) {
		select {
		case <-ctx.Done():
			tb.Fatalf("no %q in %q", text, l.List())
		case <-time.After(time.Millisecond):
		}
	}
}

// Remove takes a cable off, and returns when nothing is left.
func (l *Lab) Remove(tb testing.TB, name string) {
	tb.Helper()
	if err := l.file.Detach(l.Net, Self(tb), name); err != nil {
		tb.Fatal(err)
	}
}

// Frames waits until the peer has heard n frames.
func (l *Lab) Frames(tb testing.TB, n int) [][]byte {
	tb.Helper()
	bustest.WaitFor(tb, "frames to come", func() bool { return len(l.Heard.Frames()) >= n })
	return l.Heard.Frames()
}
