package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ipnfs/fs"
	"ipnfs/fs/devfuse"
	"ipnfs/policies/broadcast"
)

// gcPercent keeps the heap close to what is in use. The path of frames
// allocates nothing, so that collecting more often costs only those who open
// and close.
const gcPercent = 25

func mountCommand() *cobra.Command {
	var foreground, fake bool
	var options []string
	c := &cobra.Command{
		Use:   "mount [-f] [-o OPTION[,OPTION...]] [SOURCE] MOUNTPOINT",
		Short: "Mount ipnfs on a directory",
		Long: `Mounts ipnfs on MOUNTPOINT and returns when the tree answers, and, if rc= is
given, when that script has ended. With -f it stays in front until it is
unmounted or told to end by SIGTERM or SIGINT.

Options:
  mode=OCTAL         mode of the root directory (0755; 1777: everybody may make networks)
  uid=N gid=N        its owner and group (the mounter)
  rc=FILE            shell script run with IPN=MOUNTPOINT once the tree answers
  ports_max=N        ports of all networks together (65536)
  networks_max=N     networks (4096)
  mem=SIZE           cap on the bytes of all queued frames (256M)
  log=FILE|journal   where messages go
  allow_other        let other users in (default when root mounts; noallow_other: not)
  exec               allow files of the tree to be executed
Options of mount(8) and fstab (defaults, nofail, _netdev, x-...) are accepted.`,
		Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := sealDescriptors(); err != nil {
				return failf(exitSystem, "%w", err)
			}
			o, err := parseOptions(options)
			if err != nil {
				return err
			}
			o.source = "ipnfs"
			if len(args) == 2 {
				o.source = args[0]
			}
			if o.dir, err = resolve(args[len(args)-1]); err != nil {
				return failf(exitMount, "%w", err)
			}
			if err := prepare(o.dir); err != nil || fake {
				return err
			}
			if foreground {
				return serve(o)
			}
			return background(o, options)
		},
	}
	c.Flags().BoolVarP(&foreground, "foreground", "f", false, "stay in front")
	c.Flags().StringArrayVarP(&options, "options", "o", nil, "mount options, see above")
	c.Flags().BoolVar(&fake, "fake", false, "do everything but mount (mount -f)")
	_ = c.Flags().MarkHidden("fake")
	_ = c.RegisterFlagCompletionFunc("options", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return new(mountOptions).options().Names(), cobra.ShellCompDirectiveNoSpace
	})
	return c
}

// prepare makes sure that dir can be mounted on. What a daemon of ours that
// died has left there is unmounted.
func prepare(dir string) error {
	if err := removeDead(dir); err != nil {
		return failf(exitMount, "%s: a dead ipnfs is mounted there and cannot be unmounted: %w", dir, err)
	}
	mounted, err := topMount(dir)
	if err != nil {
		return failf(exitSystem, "%w", err)
	}
	var st unix.Stat_t
	err = unix.Stat(dir, &st)
	switch {
	case isOurs(mounted):
		return failf(exitMount, "%s: ipnfs is mounted there already", dir)
	case err != nil:
		return failf(exitMount, "%s: %w", dir, err)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return failf(exitMount, "%s: %w", dir, unix.ENOTDIR)
	}
	return nil
}

// isDead tells whether nobody serves what is mounted on dir.
func isDead(dir string) bool {
	var st unix.Stat_t
	err := unix.Stat(dir, &st)
	return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED)
}

// removeDead unmounts what is mounted on dir if it is ours and nobody serves
// it any more.
func removeDead(dir string) error {
	if !isDead(dir) {
		return nil
	}
	if mounted, err := topMount(dir); err != nil || !isOurs(mounted) {
		return err
	}
	return devfuse.Unmount(dir, true)
}

// serve mounts and stays until the end. It tells a parent, if there is one,
// how that went.
func serve(o *mountOptions) error {
	tell := parentPipe()
	closeLog, err := openLog(o, tell != nil)
	if err != nil {
		return tell.report(failf(exitSystem, "log: %w", err))
	}
	defer closeLog()

	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ends, orphans := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(ends, endSignals(tell != nil)...)
	signal.Notify(orphans, unix.SIGCHLD)
	surviveWrites()
	fd, err := devfuse.Mount(o.dir, devfuse.MountOptions{Source: o.source, AllowOther: o.allowOther, Exec: o.exec})
	if err != nil {
		return tell.report(failf(exitMount, "%s: %w", o.dir, err))
	}
	tree := fs.New(fd, fs.Options{Root: o.root, Limits: o.limits, Policy: broadcast.Name, Version: versionLine()})
	defer finish()
	served := make(chan error, 1)
	serve := func() { go func() { served <- tree.Serve() }() }
	if err := begin(o, tree, serve, tell, ends); err != nil {
		end(o.dir, tree)
		return tell.report(err)
	}
	logrus.WithFields(logrus.Fields{"dir": o.dir, "version": versionLine()}).Info("mounted")
	_ = tell.report(nil)
	notify(tell != nil, daemon.SdNotifyReady+"\nSTATUS=serving "+o.dir)

	for reapOrphans(); ; reapOrphans() {
		select {
		case <-orphans:
			continue
		case err = <-served: // unmounted, or the connection was aborted (umount -f)
			_ = removeDead(o.dir)
		case s := <-ends:
			logrus.WithField("signal", s.String()).Info("ending")
			notify(tell != nil, daemon.SdNotifyStopping+"\nSTATUS=ending at "+s.String())
			end(o.dir, tree)
			err = nil
		}
		break
	}
	if err != nil {
		logrus.WithError(err).Error("the connection to the kernel broke")
		return failf(exitSystem, "%s: %w", o.dir, err)
	}
	logrus.Info("ended")
	return nil
}

// end ends all networks, so that readers see the end of file, and unmounts.
// Who still has a file open then holds a dead one; the process does not wait.
func end(dir string, tree *fs.FS) {
	tree.CloseSockets()
	tree.Bus().Shutdown()
	if err := devfuse.Unmount(dir, false); err != nil {
		if err := devfuse.Unmount(dir, true); err != nil {
			fmt.Fprintf(os.Stderr, "ipnfs: %s: %v\n", dir, err)
		}
	}
}
