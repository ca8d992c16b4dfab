package iface_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"ipnfs/bus"
	"ipnfs/creds"
	"ipnfs/iface/nstest"
)

// daemonCommands is set in the environment of a process that is to attach
// things and then wait, as a daemon does: FILE COMMAND, one a line.
const daemonCommands = "IPNFS_TEST_DAEMON"

// daemon is what that process does. It answers each line, a FILE, with the first that
// is attached by that.
func daemon(commands string) {
	b := bus.New(bus.DefaultLimits())
	n, err := b.Create("lan", "broadcast", bus.Access{}, bus.Access{})
	if err != nil {
		panic(err)
	}
	by := creds.Of(uint32(os.Getpid()), uint32(os.Getuid()), uint32(os.Getgid()))
	for _, line := range strings.Split(commands, "\n") {
		file, command, _ := strings.Cut(line, " ")
		if err := attach(n, by, file, command); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		first, _, _ := strings.Cut(bus.AttacherOf(in.Text()).List(n), "\n")
		fmt.Println(first)
	}
}

// command makes one that starts such a process.
func command(t *testing.T, commands ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), daemonCommands+"="+strings.Join(commands, "\n"))
	cmd.Stderr = os.Stderr
	return cmd
}

// daemonWith starts one in l's namespace that has attached all that.
func daemonWith(t *testing.T, l *lab, commands ...string) *exec.Cmd {
	t.Helper()
	cmd := command(t, commands...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	nstest.In(t, l.ns, cmd.Start)
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the process says %q, %v", line, err)
	}
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Process.Kill()
	if err := cmd.Wait(); err == nil || !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		t.Fatalf("it was not killed: %v", err)
	}
}
