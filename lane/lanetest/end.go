package lanetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
)

// Ending notes how an endpoint ended.
type Ending struct {
	calls  atomic.Int64
	reason atomic.Pointer[string]
}

// Ended is for lane.Config.Ended.
func (e *Ending) Ended(reason string) {
	e.reason.Store(&reason)
	e.calls.Add(1)
}

// Calls tells how often Ended was called.
func (e *Ending) Calls() int { return int(e.calls.Load()) }

// Await waits until Ended was called, and returns the reason.
func (e *Ending) Await(tb testing.TB) string {
	tb.Helper()
	bustest.WaitFor(tb, "the endpoint to end", func() bool { return e.Calls() > 0 })
	return *e.reason.Load()
}

// OpenFiles tells what the descriptors of this process are.
func OpenFiles(tb testing.TB) (files []string) {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		if file, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			files = append(files, file)
		}
	}
	return files
}

// WantOpen checks that no more descriptors are open than there should be: what has
// ended has closed its own by then. There may be fewer, if those of another test's lane
// were still open when they were counted.
func WantOpen(tb testing.TB, want int) {
	tb.Helper()
	if files := OpenFiles(tb); len(files) > want {
		tb.Errorf("%d descriptors are open, want at most %d: %q", len(files), want, files)
	}
}

// Watched tells for which events of a descriptor some epoll of this process waits:
// 0, EPOLLIN, EPOLLOUT or both.
func Watched(tb testing.TB, fd int) (events uint32) {
	tb.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		tb.Fatal(err)
	}
	for _, info := range infos {
		text, _ := os.ReadFile(info)
		for line := range strings.Lines(string(text)) {
			var target int
			var wanted uint32
			if n, _ := fmt.Sscanf(line, "tfd: %d events: %x", &target, &wanted); n == 2 && target == fd {
				events |= wanted
			}
		}
	}
	return events & (unix.EPOLLIN | unix.EPOLLOUT)
}
