package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func plugCommand() *cobra.Command {
	var verbose bool
	var list string
	c := &cobra.Command{
		Use:   "plug [-v] [MOUNTPOINT/]NET[:PORT] | plug [-v] --restrict LIST",
		Short: "Join a network with standard input and output",
		Long: `Joins a network and carries frames between it and standard input and output,
each behind its length in two bytes, as a VDE plug does:

    dpipe ssh host ipnfs plug lan = ipnfs plug lan
    dpipe vde_plug /run/switch = ipnfs plug lan

PORT is the number of a reserved port; without it the network gives one.
Without MOUNTPOINT it takes the one place where ipnfs is mounted, or /ipn.
It ends when standard input, the reader of standard output, or the network
does.

With --restrict it is a command of authorized_keys: the network is the one in
SSH_ORIGINAL_COMMAND ("ipnfs plug NET" or "NET"), if it stands in LIST:
NET[:PORT][:r|:w], with commas between; r only receives, w only sends.`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return plugTargets(word), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			wish := grant{rights: mayBoth}
			switch restricted := cmd.Flags().Changed("restrict"); {
			case restricted && len(args) > 0:
				return failf(exitUsage, "--restrict takes the network from SSH_ORIGINAL_COMMAND, not from here")
			case restricted:
				granted, err := parseGrants(list)
				if err != nil {
					return failf(exitUsage, "--restrict: %w", err)
				}
				told := false
				if wish, told, err = granted.find(os.Getenv("SSH_ORIGINAL_COMMAND")); err != nil {
					return failf(exitMount, "%w", err)
				}
				verbose = verbose || told
			case len(args) == 0:
				return failf(exitUsage, "no network is named")
			default:
				wish.target = args[0]
			}
			return runPlug(wish, verbose)
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "say what joined")
	c.Flags().StringVar(&list, "restrict", "", "only these networks (`LIST`), for authorized_keys")
	return c
}

// runPlug is the command, until one of its ends is over.
func runPlug(wish grant, verbose bool) error {
	path, numbered, err := doorPath(wish.target)
	if err != nil {
		return err
	}
	surviveWrites()
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, endSignals(false)...)
	file, rights, err := openDoor(path, wish.rights)
	if err != nil {
		return failf(exitMount, "%w", err)
	}
	defer file.Close()
	if verbose {
		fmt.Fprintf(os.Stderr, "ipnfs: joined by %s as port %d, %s\n", path, numberOf(file), rights)
	}
	p := &plug{in: 0, out: 1, door: file, rights: rights, refused: skips{log: os.Stderr}}
	if numbered {
		p.door = &framed{file, make([]byte, maxFrame), skips{log: os.Stderr}}
	}
	return p.run(ends)
}

// numberOf is the number of an open port: _IOR('I', 1, __u32) of ipnfs(5).
func numberOf(file *os.File) (number uint32) {
	if conn, err := file.SyscallConn(); err == nil { // Fd would make it block
		_ = conn.Control(func(fd uintptr) { number, _ = unix.IoctlGetUint32(int(fd), 0x80044901) })
	}
	return number
}

// doorPath finds the door that target means, [MOUNTPOINT/]NET[:PORT], and tells
// whether that is the door of a numbered port, which has no stream form. What
// follows the last colon of a name is a port if it has digits alone, or nothing:
// so "a:1:" is the network a:1.
func doorPath(target string) (path string, numbered bool, err error) {
	dir, name := "", target
	if i := strings.LastIndexByte(target, '/'); i >= 0 {
		dir, name = target[:i+1], target[i+1:]
	}
	door := "stream"
	if i := strings.LastIndexByte(name, ':'); i >= 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		if number := name[i+1:]; number != "" {
			door, numbered = filepath.Join("ports", number, "port"), true
		}
		name = name[:i]
	}
	if name == "" || name[0] == '.' {
		return "", false, failf(exitUsage, "%q names no network: [MOUNTPOINT/]NET[:PORT]", target)
	}
	if dir == "" {
		if dir, err = oneMount(); err != nil {
			return "", false, err
		}
	}
	if err := checkAnswers(dir); err != nil {
		return "", false, err
	}
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		return "", false, failf(exitMount, "%w", err)
	}
	return filepath.Join(dir, name, door), numbered, nil
}

// openDoor opens a door with as much of what is wished as the caller has.
// Go opens it non-blocking, so that an end can stop a read that waits.
func openDoor(path string, wish rights) (*os.File, rights, error) {
	var refused error
	for _, r := range []rights{mayBoth, mayReceive, maySend} {
		if r&wish != r {
			continue
		}
		flags := map[rights]int{mayBoth: os.O_RDWR, mayReceive: os.O_RDONLY, maySend: os.O_WRONLY}[r]
		file, err := os.OpenFile(path, flags, 0)
		if err == nil {
			return file, r, nil
		}
		if !errors.Is(err, unix.EACCES) {
			return nil, 0, err
		}
		refused = err
	}
	return nil, 0, refused
}

// plugTargets lists the networks that word may become: with their mount point,
// and without it if there is one mount.
func plugTargets(word string) (names []string) {
	mounts := ipnfsMounts()
	for _, dir := range mounts {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			switch {
			case !e.IsDir():
			case len(mounts) == 1 && !strings.Contains(word, "/"):
				names = append(names, e.Name())
			default:
				names = append(names, filepath.Join(dir, e.Name()))
			}
		}
	}
	return names
}
