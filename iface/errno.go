package iface

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// kinds are the kinds of refusal that errors of the kernel stand for.
var kinds = map[unix.Errno]bus.Kind{
	unix.EPERM:           bus.Denied,
	unix.EACCES:          bus.Denied,
	unix.ENOENT:          bus.Unknown,
	unix.ENODEV:          bus.Unknown,
	unix.EBUSY:           bus.Busy,
	unix.EEXIST:          bus.Exists,
	unix.ERANGE:          bus.Range,
	unix.ENOMEM:          bus.NoMemory,
	unix.ENOBUFS:         bus.NoMemory,
	unix.EMFILE:          bus.NoSpace,
	unix.ENFILE:          bus.NoSpace,
	unix.ENOSPC:          bus.NoSpace,
	unix.EOPNOTSUPP:      bus.Unsupported,
	unix.ENOSYS:          bus.Unsupported,
	unix.EAFNOSUPPORT:    bus.Unsupported,
	unix.EPROTONOSUPPORT: bus.Unsupported,
}

// refuse makes a refusal of an error of the kernel. One that is a refusal
// already stays as it is. What the caller may do was looked at before: where
// the kernel speaks of rights here, it means those of this process.
func refuse(err error, format string, args ...any) error {
	if bus.KindOf(err) != 0 {
		return err
	}
	kind := bus.Invalid
	var errno unix.Errno
	if errors.As(err, &errno) && kinds[errno] != 0 {
		kind = kinds[errno]
	}
	whose := ""
	if kind == bus.Denied {
		whose = ": the kernel refuses that to ipnfs itself, which lacks a capability or is confined"
	}
	return bus.Errorf(kind, "%s: %v%s", fmt.Sprintf(format, args...), err, whose)
}
