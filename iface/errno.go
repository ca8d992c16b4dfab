package iface

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// kinds are the kinds of refusal that errors of the kernel stand for.
var kinds = map[unix.Errno]fail.Kind{
	unix.EPERM:           fail.Denied,
	unix.EACCES:          fail.Denied,
	unix.ENOENT:          fail.Unknown,
	unix.ENODEV:          fail.Unknown,
	unix.EBUSY:           fail.Busy,
	unix.EEXIST:          fail.Exists,
	unix.ERANGE:          fail.Range,
	unix.ENOMEM:          fail.NoMemory,
	unix.ENOBUFS:         fail.NoMemory,
	unix.EMFILE:          fail.NoSpace,
	unix.ENFILE:          fail.NoSpace,
	unix.ENOSPC:          fail.NoSpace,
	unix.EOPNOTSUPP:      fail.Unsupported,
	unix.ENOSYS:          fail.Unsupported,
	unix.EAFNOSUPPORT:    fail.Unsupported,
	unix.EPROTONOSUPPORT: fail.Unsupported,
}

// refuse makes a refusal of an error of the kernel. One that is a refusal
// already stays as it is. What the caller may do was looked at before: where
// the kernel speaks of rights here, it means those of this process.
func refuse(err error, format string, args ...any) error {
	if fail.KindOf(err) != 0 {
		return err
	}
	kind := fail.Invalid
	var errno unix.Errno
	if errors.As(err, &errno) && kinds[errno] != 0 {
		kind = kinds[errno]
	}
	whose := ""
	if kind == fail.Denied {
		whose = ": the kernel refuses that to ipnfs itself, which lacks a capability or is confined"
	}
	return fail.Errorf(kind, "%s: %v%s", fmt.Sprintf(format, args...), err, whose)
}
