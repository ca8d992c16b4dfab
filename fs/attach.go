package fs

import (
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
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
	what, remove := strings.CutPrefix(command, "-")
	if !remove {
		what = strings.TrimPrefix(command, "+")
	}
	words := strings.Fields(what)
	switch {
	case len(words) == 0 || !strings.HasPrefix(what, words[0]):
		return fail.Errorf(fail.Invalid, "%q: a name must follow the sign", command)
	case strings.ContainsAny(words[0][:1], "+-"):
		return fail.Errorf(fail.Invalid, "%q: a name does not begin with a sign", words[0])
	case !remove:
		return a.Attach(n.net, by, what)
	}
	return a.Detach(n.net, by, what)
}
