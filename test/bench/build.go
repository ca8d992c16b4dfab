package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
)

// files are the peers written in C and the load generators.
//
//go:embed peers/*.c peers/load peers/frames
var files embed.FS

// sources says what is compiled of files.
var sources = map[string]string{
	"fusehub": "peers/fusehub.c",
	"relay":   "peers/relay.c",
	"middle":  "peers/middle.c",
	"packets": "peers/packets.c",
	"vdeplug": "peers/vdeplug.c",
	"copy":    "peers/copy.c",
	"load":    "peers/load/*.c",
	"frames":  "peers/frames/*.c",
}

// libraries are what some are linked with.
var libraries = map[string][]string{"vdeplug": {"-lvdeplug"}}

// build compiles peers and load generators, whose sources are in dir, into dir and returns their paths
// by name.
func build(ctx context.Context, dir string, wanted []string) (map[string]string, error) {
	tools := map[string]string{}
	for _, name := range wanted {
		if tools[name] != "" {
			continue
		}
		tools[name] = filepath.Join(dir, name)
		command := []string{"go", "build", "-o", tools[name], ownPath() + "/peers/" + name}
		in := ""
		if pattern, ok := sources[name]; ok {
			found, err := fs.Glob(os.DirFS(dir), pattern)
			if err != nil {
				return nil, err
			}
			command = append([]string{"cc", "-O2", "-Wall", "-Wextra", "-pthread", "-o", tools[name]}, append(found, libraries[name]...)...)
			in = dir
		}
		if err := compile(ctx, in, command[0], command[1:]...); err != nil {
			return nil, err
		}
	}
	return tools, nil
}

// ownPath is the import path of this program.
func ownPath() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Path != "command-line-arguments" {
		return info.Path
	}
	return "ipnfs/test/bench"
}

func compile(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	return nil
}
