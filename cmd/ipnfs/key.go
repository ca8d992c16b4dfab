package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"ipnfs/cable/key"
)

// defaultKey is the key that nobody names, in the present directory.
const defaultKey = "ipnfs.key"

func keyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key [FILE]",
		Short: "Make a key for tls cables, and print its pin",
		Long: `Makes a private key with a certificate of it in FILE, or in ` + defaultKey + `, and prints
its pin, by which the other end of a tls cable knows it. A FILE that is there
stays as it is, and its pin is printed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := defaultKey
			if len(args) == 1 {
				path = args[0]
			}
			return printPin(cmd.OutOrStdout(), path)
		},
	}
}

// printPin prints the pin of the key in a file, which is made if it is not there.
func printPin(out io.Writer, path string) error {
	text, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKey(path)
	}
	if errors.Is(err, fs.ErrExist) { // somebody made it meanwhile
		text, err = readKey(path)
	}
	if err != nil {
		return failf(exitSystem, "%w", err)
	}
	pair, err := key.Load(text)
	if err != nil {
		return failf(exitSystem, "%s: %w", path, err)
	}
	if _, err := fmt.Fprintln(out, key.Pin(pair.Leaf)); err != nil {
		return failf(exitSystem, "%w", err)
	}
	return nil
}

func readKey(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, key.MaxSize+1))
}

// makeKey makes a key in a file that must not be there. What cannot be written
// whole is taken away.
func makeKey(path string) ([]byte, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	text, err := key.Make(host)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	return text, nil
}
