package iface

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

func TestRefuse(t *testing.T) {
	kept := fail.Errorf(fail.Gone, "gone")
	for _, c := range []struct {
		err  error
		kind fail.Kind
		text string
	}{
		{unix.EPERM, fail.Denied, "tap x: operation not permitted: the kernel refuses that to ipnfs itself, which lacks a capability or is confined"},
		{fmt.Errorf("mtu=1: %w", unix.EINVAL), fail.Invalid, "tap x: mtu=1: invalid argument"},
		{unix.ENODEV, fail.Unknown, "tap x: no such device"},
		{errors.New("odd"), fail.Invalid, "tap x: odd"},
		{kept, fail.Gone, "gone"},
	} {
		err := refuse(c.err, "tap %s", "x")
		if fail.KindOf(err) != c.kind || err.Error() != c.text {
			t.Errorf("%v became %v of kind %d", c.err, err, fail.KindOf(err))
		}
	}
}

// What kernels without TCX answer, and others.
func TestExplain(t *testing.T) {
	for _, err := range []error{ebpf.ErrNotSupported, fmt.Errorf("query programs: %w", unix.EINVAL)} {
		if got := explain(err); fail.KindOf(got) != fail.Unsupported {
			t.Errorf("%v became %v", err, got)
		}
	}
	if got := explain(unix.EPERM); !errors.Is(got, unix.EPERM) || explain(nil) != nil {
		t.Errorf("EPERM became %v", got)
	}
}
