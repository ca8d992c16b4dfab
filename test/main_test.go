// Package test tries ipnfs as its users do: the scripts in script/ run the
// real binary on real mounts, with the tools that a shell has.
//
//   - main_test.go: the programs that scripts may run besides.
//   - script_test.go: what a script finds, and what is checked at its end.
//   - commands_test.go: the words that scripts know besides testscript's.
//   - metrics_test.go, json_test.go: readers of what programs read.
package test

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// One script at a time: the words of one (grep, exists) open files in this
	// process, and a program that another starts in that moment would hold
	// them until its exec, so that an umount finds the mount in use.
	if err := flag.Set("test.parallel", "1"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"asuser":     asUser,
		"aside":      aside,
		"daemonof":   daemonOf,
		"eventually": eventually,
	})
}
