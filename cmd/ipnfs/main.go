// Command ipnfs mounts ipnfs and looks at what is mounted.
//
//   - main.go: the commands; helper.go: being called as mount.ipnfs.
//   - options.go: what stands behind -o.
//   - mount.go: the steps of a mount, in front; background.go: behind.
//   - start.go: until a mount is ready; sockets.go: its sockets; script.go: the
//     rc script; confine.go: the capabilities that stay.
//   - inherit.go: what comes from whoever mounts: descriptors, signals, children.
//   - log.go: where messages go; notify.go: what systemd is told, whose unit is
//     systemd/ipnfs@.service.
//   - umount.go, ls.go, save.go, key.go: the other commands.
//   - plug.go: a port on standard input and output; carry.go: its frames;
//     restrict.go: what a key of ssh may plug.
//   - copies.go: where else a tree is mounted; holders.go: who keeps it in use.
//   - modules.go: the policies that are built in.
//
// Exit codes are those of mount(8): 0, 1 usage, 2 system error, 32 failure, 64 some
// succeeded; and 3, what was plugged into has ended.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by the linker (make build).
var version = ""

// Exit codes, from mount(8) but exitEnded.
const (
	exitUsage  = 1
	exitSystem = 2
	exitEnded  = 3
	exitMount  = 32 // also that of a plug: it did not join
	exitSome   = 64 // not all networks were saved
)

// failure is an error with the exit code it means.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(code int, format string, args ...any) error {
	return &failure{code, fmt.Errorf(format, args...)}
}

func main() {
	command := rootCommand()
	name := filepath.Base(os.Args[0])
	behind := os.Getenv(readyEnv) != "" // started by ourselves, as ipnfs mount -f
	if !behind && (name == "mount.ipnfs" || name == "mount.fuse.ipnfs") {
		args, err := helperArgs(os.Args[1:])
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(exitUsage)
		}
		command.SetArgs(args)
	}
	if err := command.Execute(); err != nil {
		code := exitUsage // what cobra itself refuses
		var f *failure
		if errors.As(err, &f) {
			code = f.code
		}
		fmt.Fprintf(os.Stderr, "ipnfs: %v\n", err)
		if code == exitUsage {
			fmt.Fprintln(os.Stderr, "Try 'ipnfs --help'.")
		}
		os.Exit(code)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ipnfs",
		Short: "Networks of processes as files",
		Long: `ipnfs mounts a file system in which each directory is a network: a bus for
processes. Every open of NETWORK/port is a port of it; a write sends a frame to
the others, a read receives one.

    ipnfs mount /ipn
    mkdir /ipn/lan
    cat /ipn/lan/port &
    echo hello > /ipn/lan/port

The files are described in ipnfs(5), mounting in ipnfs(8).`,
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(mountCommand(), umountCommand(), lsCommand(), saveCommand(), plugCommand(), keyCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(*cobra.Command, []string) { fmt.Println(versionLine()) },
	}
}

// versionLine is the version, also of a build without the Makefile.
func versionLine() string {
	v := version
	if v == "" {
		v = "devel"
		if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
			v = info.Main.Version
		}
	}
	return "ipnfs " + v
}
