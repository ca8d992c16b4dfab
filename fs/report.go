package fs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// features are the words in the file features, for scripts that must know:
// what this build can do beyond the tree itself, and what the machine lets it
// do.
var features = []struct {
	word string
	can  func() bool // nil: always
}{
	{"poll", nil}, {"port", nil}, {"stream", nil}, {"events", nil}, {"block", nil}, {"port-number-ioctl", nil},
	{"tap", func() bool { return bus.AttacherOf("tap") != nil && unix.Access("/dev/net/tun", unix.F_OK) == nil }},
	{"grab", func() bool { return bus.AttacherOf("grab") != nil }},
	{"switch", func() bool {
		return slices.ContainsFunc(policy.Types(), func(p policy.Type) bool { return p.Name == "switch" })
	}},
}

func readVersion(f *FS, _ *node) string { return f.options.Version + "\n" }

func readFeatures(*FS, *node) string {
	var b strings.Builder
	for _, f := range features {
		if f.can == nil || f.can() {
			fmt.Fprintln(&b, f.word)
		}
	}
	return b.String()
}

func readPolicies(*FS, *node) string {
	var b strings.Builder
	for _, p := range policy.Types() {
		fmt.Fprintf(&b, "%s\t%s\n", p.Name, p.Summary)
	}
	return b.String()
}

func writeStats(b *strings.Builder, s *bus.Stats) {
	for _, line := range s.List() {
		fmt.Fprintf(b, "%s %d\n", line.Name, line.Value)
	}
}

func readStats(_ *FS, n *node) string {
	var b strings.Builder
	s := n.net.Stats()
	fmt.Fprintf(&b, "ports %d\nreaders %d\nwriters %d\n", s.Ports, s.Readers, s.Writers)
	writeStats(&b, &s)
	return b.String()
}

// checkReset accepts the one command that stats take.
func checkReset(command string) error {
	if command != "reset" {
		return fail.Errorf(fail.Invalid, "unknown command %q: stats take reset", command)
	}
	return nil
}

func resetStats(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	if err := checkReset(command); err != nil {
		return err
	}
	n.net.ResetStats()
	return nil
}

func readPortStats(_ *FS, n *node) string {
	var b strings.Builder
	s := n.port.Stats()
	writeStats(&b, &s)
	return b.String()
}

func resetPortStats(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	if err := checkReset(command); err != nil {
		return err
	}
	n.port.ResetStats()
	return nil
}

// costOfConn is about how many bytes a connection takes in info.
const costOfConn = 512

func costOfPortInfo(_ *FS, n *node) int { return n.port.Conns() * costOfConn }

// readPortInfo shows the port, and behind an empty line each connection.
func readPortInfo(_ *FS, n *node) string {
	var b strings.Builder
	i := n.port.Info()
	reserved := 0
	if i.Reserved {
		reserved = 1
	}
	fmt.Fprintf(&b, "port %d\nname %s\nreserved %d\nconnections %d\n", i.Number, fail.Quote(i.Name), reserved, len(i.Conns))
	for _, c := range i.Conns {
		fmt.Fprintf(&b, "\nkind %s\nrights %s\nuid %d\ngid %d\npid %d\ncomm %s\nsince %s\n",
			c.Kind, c.Rights(), c.UID, c.GID, c.PID, fail.Quote(c.Comm), bus.Stamp(c.Since))
		if c.Detail != "" {
			fmt.Fprintf(&b, "detail %s\n", fail.Quote(c.Detail))
		}
	}
	return b.String()
}
