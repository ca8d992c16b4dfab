package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
	"ipnfs/creds"
	"ipnfs/words"
)

// tap and grab: sets of things that are attached to the network. Who serves
// them has registered with the bus; the tree only reads the command.

func readAttached(_ *FS, n *node) string { return line(bus.AttacherOf(n.row.name).List(n.net)) }

// writeAttached takes NAME or +NAME to attach and -NAME to detach, with
// options. Whoever opened the file must have the rights, too. It takes as long
// as the kernel needs to make a device, so no lock is held here.
func writeAttached(_ *FS, n *node, in *fuse.InHeader, command string) error {
	rights, err := creds.Of(in.Pid, in.Uid, in.Gid).Under(*n.opener)
	if err != nil {
		return err
	}
	by := bus.Caller{Info: callerInfo(in), Thread: in.Pid, Rights: rights}
	by.Kind = n.row.name
	a := bus.AttacherOf(n.row.name)
	sign, what, err := words.Signed(command)
	switch {
	case err != nil:
		return err
	case sign == '-':
		return a.Detach(n.net, by, what)
	}
	return a.Attach(n.net, by, what)
}
