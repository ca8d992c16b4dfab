// Command gofuse is go-fuse's own server with one file, the Go program ipnfs is measured against.
//
//	gofuse [-r BYTES] null DIR    Write returns its size, Read as many zero bytes as asked for
//	gofuse hub DIR                a bus: what one open of DIR/port writes, all others read
//
// Settings are those of fusehub.c. In hub a Read waits in the goroutine go-fuse runs it in, for a
// channel of 256 frames per open file; a full channel drops the newcomer. It ends with its mount.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const maxWrite = 1 << 20

func main() {
	answer := flag.Int("r", maxWrite, "most `bytes` a read of null answers")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: gofuse [-r BYTES] null|hub DIR")
		os.Exit(1)
	}
	var fs fuse.RawFileSystem = &null{tree: newTree(), zeros: make([]byte, *answer)}
	if flag.Arg(0) == "hub" {
		fs = newHub()
	}
	server, err := fuse.NewServer(fs, flag.Arg(1), &fuse.MountOptions{
		FsName:        "gofuse",
		Name:          "gofuse",
		AllowOther:    true,
		DirectMount:   true,
		MaxWrite:      maxWrite,
		MaxBackground: 64,
		DisableXAttrs: true,
		Options:       []string{"default_permissions"},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "gofuse:", err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM, unix.SIGINT)
	go func() {
		<-stop
		unix.Unmount(flag.Arg(1), unix.MNT_DETACH)
		os.Exit(0)
	}()
	server.Serve()
}
