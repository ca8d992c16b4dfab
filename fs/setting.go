package fs

import (
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
)

// settingRows makes the files of settings, of a network or of a port. All read as
// what a write takes.
func settingRows[T any](in bus.Place, settings []bus.Setting[T], of func(n *node) T) (rows []row) {
	for _, s := range settings {
		rows = append(rows, row{
			name: s.Name, in: in, rule: bus.Managed,
			read: func(_ *FS, n *node) string { return line(s.Get(of(n))) },
			write: func(_ *FS, n *node, _ *fuse.InHeader, command string) error {
				return s.Set(of(n), command)
			},
			live:    s.Own != nil, // it may follow the network's
			emptyOK: in == bus.InPort && s.Own == nil,
		})
	}
	return rows
}

func readPolicy(_ *FS, n *node) string { return n.net.PolicySpec() + "\n" }

func writePolicy(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	return n.net.SetPolicy(strings.Join(strings.Fields(command), " "))
}
