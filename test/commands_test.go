package test

import (
	"errors"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ipnfs/test/harness"
)

// commands are the words of a script besides testscript's own, and besides
// the programs of main_test.go.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"sh":      shell,
	"code":    exitCode,
	"needs":   needs,
	"json":    jsonValue,
	"metrics": checkMetrics,
}

// shell is "[!] sh 'TEXT'": a few words for bash, which stops at the first
// that fails. Longer ones are files of the script: exec bash FILE.
func shell(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: sh 'text'")
	}
	err := ts.Exec("bash", "-e", "-c", args[0])
	switch {
	case err != nil && !neg:
		ts.Fatalf("%v", err)
	case err == nil && neg:
		ts.Fatalf("unexpected success")
	}
}

// exitCode is "code N COMMAND...": the command ends with exit code N, which
// is 128 and the signal if one ends it.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
		if s := exit.Sys().(syscall.WaitStatus); s.Signaled() {
			code = 128 + int(s.Signal())
		}
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
}

// needs is "needs PROGRAM...": what is not on every machine.
func needs(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		harness.NeedProgram(ts.Value(testKey{}).(testing.TB), name)
	}
}
