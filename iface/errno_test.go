package iface

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

func TestRefuse(t *testing.T) {
	kept := bus.Errorf(bus.Gone, "gone")
	for _, c := range []struct {
		err  error
		kind bus.Kind
		text string
	}{
		{unix.EPERM, bus.Denied, "tap x: operation not permitted: the kernel refuses that to ipnfs itself, which lacks a capability or is confined"},
		{fmt.Errorf("mtu=1: %w", unix.EINVAL), bus.Invalid, "tap x: mtu=1: invalid argument"},
		{unix.ENODEV, bus.Unknown, "tap x: no such device"},
		{errors.New("odd"), bus.Invalid, "tap x: odd"},
		{kept, bus.Gone, "gone"},
	} {
		err := refuse(c.err, "tap %s", "x")
		if bus.KindOf(err) != c.kind || err.Error() != c.text {
			t.Errorf("%v became %v of kind %d", c.err, err, bus.KindOf(err))
		}
	}
}

// What kernels without TCX answer, and others.
func TestExplain(t *testing.T) {
	for _, err := range []error{ebpf.ErrNotSupported, fmt.Errorf("query programs: %w", unix.EINVAL)} {
		if got := explain(err); bus.KindOf(got) != bus.Unsupported {
			t.Errorf("%v became %v", err, got)
		}
	}
	if got := explain(unix.EPERM); !errors.Is(got, unix.EPERM) || explain(nil) != nil {
		t.Errorf("EPERM became %v", got)
	}
}
