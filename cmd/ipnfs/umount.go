package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ipnfs/fs/devfuse"
)

// resolve makes dir absolute and free of symbolic links, as the mount table
// has it. What is mounted there may be dead and not answer: then only what
// leads there is resolved.
func resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if info, err := os.Lstat(dir); err == nil && info.Mode()&os.ModeSymlink != 0 {
		return filepath.EvalSymlinks(dir)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(dir)), nil
}

// topMount returns what is mounted on dir, uppermost, or nil.
func topMount(dir string) (*mountinfo.Info, error) {
	mounts, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.Mountpoint != dir, false })
	if err != nil || len(mounts) == 0 {
		return nil, err
	}
	return mounts[len(mounts)-1], nil
}

// isOurs tells whether a mount is an ipnfs.
func isOurs(m *mountinfo.Info) bool { return m != nil && m.FSType == devfuse.FSType }

func umountCommand() *cobra.Command {
	var lazy bool
	c := &cobra.Command{
		Use:   "umount [-l] MOUNTPOINT",
		Short: "Unmount ipnfs",
		Long: `Unmounts ipnfs; its process ends. Fails if files are open, and says who has
them. With -l the tree goes away at once, and what is open works until it is
closed.`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return ipnfsMounts(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := resolve(args[0])
			if err != nil {
				return failf(exitMount, "%w", err)
			}
			mounted, err := topMount(dir)
			if err != nil {
				return failf(exitSystem, "%w", err)
			}
			if !isOurs(mounted) {
				return failf(exitMount, "%s: ipnfs is not mounted there%s", dir, listMounts())
			}
			dead := isDead(dir)
			err = devfuse.Unmount(dir, lazy)
			switch {
			case err == nil && (lazy || dead):
				return nil
			case err == nil:
				return checkCopies(dir, mounted)
			}
			if held := holders(mounted); len(held) > 0 { // fusermount3 gives no errno
				return failf(exitMount, "%s: in use: %s; close them or use -l", dir, few(held))
			}
			if errors.Is(err, unix.EBUSY) {
				return failf(exitMount, "%s: in use by what /proc does not show here: close it or use -l (ipnfs ls shows the ports; fuser -vm %s, as root, who)", dir, dir)
			}
			return failf(exitMount, "%s: %w", dir, err)
		},
	}
	c.Flags().BoolVarP(&lazy, "lazy", "l", false, "unmount though files are open")
	return c
}

// ipnfsMounts lists where ipnfs is mounted.
func ipnfsMounts() []string {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter(devfuse.FSType))
	if err != nil {
		return nil
	}
	var dirs []string
	for _, m := range mounts {
		dirs = append(dirs, m.Mountpoint)
	}
	return dirs
}

func listMounts() string {
	if dirs := ipnfsMounts(); len(dirs) > 0 {
		return " (it is on " + strings.Join(dirs, ", ") + ")"
	}
	return ""
}
