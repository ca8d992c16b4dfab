package fs

import (
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
)

// The settings of a network and of a port: a file has the name of a setting of
// bus. All read as what a write takes.

// settingOf finds the setting that the file n is.
func settingOf[T any](n *node, settings []bus.Setting[T]) *bus.Setting[T] {
	i := slices.IndexFunc(settings, func(s bus.Setting[T]) bool { return s.Name == n.row.name })
	return &settings[i]
}

func readSetting(_ *FS, n *node) string {
	if n.port != nil {
		return line(settingOf(n, bus.PortSettings).Get(n.port))
	}
	return line(settingOf(n, bus.NetworkSettings).Get(n.net))
}

func writeSetting(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	if n.port != nil {
		return settingOf(n, bus.PortSettings).Set(n.port, command)
	}
	return settingOf(n, bus.NetworkSettings).Set(n.net, command)
}

func readPolicy(_ *FS, n *node) string { return n.net.PolicySpec() + "\n" }

func writePolicy(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	return n.net.SetPolicy(strings.Join(strings.Fields(command), " "))
}
