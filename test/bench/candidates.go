package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// candidate says how a program under test is started, and where its bus is.
type candidate struct {
	tool      string                    // its name in session.tools, or a program's
	args      func(dir string) []string // of the tool
	serves    string                    // there once it serves
	prepare   func(dir string) error    // then
	transport string                    // what load calls it
	door      string                    // the bus
}

func args(words ...string) func(string) []string {
	return func(dir string) []string { return append(words[:len(words):len(words)], dir) }
}

// forwarder are the arguments of packets for a socket.
func forwarder(file string) func(string) []string {
	return func(dir string) []string { return []string{"forward", file, dir + "/socket"} }
}

var candidates = map[string]candidate{
	"C-null":       {tool: "fusehub", args: args("null"), serves: "port", transport: "file", door: "port"},
	"C-hub":        {tool: "fusehub", args: args("hub"), serves: "port", transport: "file", door: "port"},
	"go-fuse-null": {tool: "gofuse", args: args("null"), serves: "port", transport: "file", door: "port"},
	"go-fuse-hub":  {tool: "gofuse", args: args("hub"), serves: "port", transport: "file", door: "port"},
	"relay-hub": {tool: "relay", args: func(dir string) []string { return []string{dir + "/hub"} },
		serves: "hub", transport: "dgram", door: "hub"},
	"C-qemu":  {tool: "packets", args: forwarder("qemu"), serves: "socket", door: "socket"},
	"C-seq":   {tool: "packets", args: forwarder("seq"), serves: "socket", door: "socket"},
	"vde-ctl": {tool: "vde_switch", args: args("-s"), serves: "ctl"},
	"ipnfs":   mounted("ipnfs"),
	"before":  mounted("before"),
}

// mounted is ipnfs, or an older one.
func mounted(tool string) candidate {
	return candidate{tool: tool, args: args("mount", "-f"), serves: "version", prepare: makeNetworks, transport: "file", door: "lan/port"}
}

// networks of the ipnfs under test, with the settings that are not the default.
var networks = map[string]map[string]string{
	"lan":      {},
	"deep":     {"queue": "4096"},
	"lossless": {"overflow": "block", "queue": "4096"},
	"wide":     {"maxports": "20000"},
	"ethernet": {"policy": "switch"},
	"patient":  {"policy": "switch", "overflow": "block"},
}

func makeNetworks(dir string) error {
	for name, settings := range networks {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
		for file, value := range settings {
			if err := os.WriteFile(filepath.Join(dir, name, file), []byte(value+"\n"), 0o644); err != nil {
				return fmt.Errorf("set %s of %s: %w", file, name, err)
			}
		}
	}
	return nil
}
