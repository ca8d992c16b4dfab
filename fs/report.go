package fs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// ownFeatures are words in the file features, for scripts that must know what
// this build can do beyond the tree itself. The others are names of files and
// policies, which say so where they are registered.
var ownFeatures = []string{"poll", "port", "stream", "events", "block", "port-number-ioctl"}

func readVersion(f *FS, _ *node) string { return f.options.Version + "\n" }

func readFeatures(f *FS, _ *node) string {
	words := slices.Concat(ownFeatures, bus.Features())
	words = slices.DeleteFunc(words, func(word string) bool {
		r := rowOf(bus.InNetwork, word)
		return r != nil && !f.has(r)
	})
	for _, p := range policy.Types() {
		if p.Feature {
			words = append(words, p.Name)
		}
	}
	return strings.Join(words, "\n") + "\n"
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
