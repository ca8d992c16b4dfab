package main

import (
	"os"
	"os/signal"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Both ways leave nothing to be inherited but the first three descriptors.
func TestSealDescriptors(t *testing.T) {
	for name, seal := range map[string]func() error{"close_range": sealDescriptors, "one by one": sealEach} {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		high, err := unix.FcntlInt(null.Fd(), unix.F_DUPFD, 200)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(high)
		if err := seal(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, fd := range []int{int(null.Fd()), high} {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s: descriptor %d has flags %#x, %v", name, fd, flags, err)
			}
		}
		if flags, err := unix.FcntlInt(2, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			t.Errorf("%s: standard error has flags %#x, %v", name, flags, err)
		}
	}
}

// What the caller ignored stays ignored in front, and ends a mount behind.
func TestEndSignals(t *testing.T) {
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	if got := endSignals(false); slices.Contains(got, os.Signal(unix.SIGHUP)) || len(got) != 2 {
		t.Errorf("in front %v end the mount", got)
	}
	if got := endSignals(true); len(got) != 3 {
		t.Errorf("behind %v end the mount", got)
	}
}
