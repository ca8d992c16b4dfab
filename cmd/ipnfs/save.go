package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ipnfs/state"
)

func saveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "save [MOUNTPOINT]",
		Short: "Print the shell script that makes the networks again",
		Long: `Prints the networks with all that was set on them as a shell script of mkdir,
echo, chmod and chown that makes them again, by hand or as rc= of a mount:

    ipnfs save /ipn >/etc/ipnfs/rc
    cd /ipn && sh /etc/ipnfs/rc

What a new network has anyway is left out, and what changes by itself, so that
the script can be read and kept. Networks that the caller may not read are told
of on standard error, and the exit code is 64 then. Without MOUNTPOINT it takes
the one place where ipnfs is mounted, or /ipn.`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return ipnfsMounts(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := mountArg(args)
			if err != nil {
				return err
			}
			return save(cmd.OutOrStdout(), cmd.ErrOrStderr(), dir)
		},
	}
}

// save prints what the networks tell of themselves, by name.
func save(out, complaints io.Writer, dir string) error {
	if err := checkAnswers(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return failf(exitSystem, "%w", err)
	}
	text := "# The networks of a mount of ipnfs, as ipnfs save tells them: sh makes them again.\n" + state.Begin
	missing := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		lines, err := os.ReadFile(filepath.Join(dir, e.Name(), "save"))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), err == nil && len(lines) == 0: // it has ended meanwhile
		case err != nil:
			fmt.Fprintf(complaints, "# left out: %v\n", err)
			missing++
		default:
			text += "\n" + string(lines)
		}
	}
	if _, err := io.WriteString(out, text); err != nil {
		return failf(exitSystem, "%w", err)
	}
	if missing > 0 {
		return failf(exitSome, "networks left out: %d", missing)
	}
	return nil
}
