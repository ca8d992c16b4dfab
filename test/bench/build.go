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

// sources are the peers written in C and the load generator.
//
//go:embed peers/*.c peers/load
var sources embed.FS

// build compiles peers and load generator into dir and returns their paths by name.
func build(ctx context.Context, dir string) (map[string]string, error) {
	fmt.Fprintln(os.Stderr, "bench: compiling the peers")
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, err
	}
	tools := map[string]string{}
	for name, pattern := range map[string]string{
		"fusehub": "peers/fusehub.c",
		"relay":   "peers/relay.c",
		"load":    "peers/load/*.c",
	} {
		files, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			return nil, err
		}
		tools[name] = filepath.Join(dir, name)
		args := append([]string{"-O2", "-Wall", "-Wextra", "-pthread", "-o", tools[name]}, files...)
		if err := compile(ctx, dir, "cc", args...); err != nil {
			return nil, err
		}
	}
	tools["gofuse"] = filepath.Join(dir, "gofuse")
	return tools, compile(ctx, "", "go", "build", "-o", tools["gofuse"], ownPath()+"/peers/gofuse")
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
