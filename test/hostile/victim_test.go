package hostile

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// The role "victim DIR" makes its networks on the mount and measures as long
// as it is told, again and again, until it hears "end".
func init() {
	harness.Role("victim", func(args []string) {
		debug.SetGCPercent(-1) // what is measured is the daemon
		p, err := newProbe(args[0])
		if err != nil {
			fail(err)
		}
		harness.Say("ready")
		for line := harness.Hear(); line != "end"; line = harness.Hear() {
			length, err := time.ParseDuration(line)
			if err != nil {
				fail(err)
			}
			text, err := json.Marshal(p.measure(length))
			if err != nil {
				fail(err)
			}
			harness.Say("%s", text)
		}
		harness.Say("ended")
	})
}

// fail ends a process of another role.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "hostile:", err)
	os.Exit(1)
}

// plain is the network of the round trips, and tree that of the switch, in the
// mount's directory.
const (
	plain = "/victim"
	tree  = "/victim-switch"
)

// newProbe makes the victim's networks.
func newProbe(dir string) (*probe, error) {
	p := &probe{dir: dir}
	for _, name := range []string{plain, tree} {
		if err := os.Mkdir(dir+name, 0o755); err != nil {
			return nil, err
		}
	}
	for _, set := range [][2]string{
		{"/policy", "switch ageing=1"},
		{"/switch/stp", "rstp hello=1"},
	} {
		if err := write(dir+tree+set[0], set[1]); err != nil {
			return nil, err
		}
	}
	for _, door := range []struct {
		fd    *int
		path  string
		flags int
	}{
		{&p.in, plain, unix.O_RDONLY},
		{&p.out, plain, unix.O_WRONLY},
		{&p.again, plain, unix.O_WRONLY},
		{&p.hellos, tree, unix.O_RDONLY | unix.O_NONBLOCK},
		{&p.storm, tree, unix.O_WRONLY},
	} {
		var err error
		if *door.fd, err = unix.Open(dir+door.path+"/port", door.flags|unix.O_CLOEXEC, 0); err != nil {
			return nil, fmt.Errorf("%s: %w", door.path, err)
		}
	}
	return p, write(dir+tree+"/ports/2/storm", fmt.Sprintf("broadcast=%d", 2*stormRate))
}

// write writes a command to a file.
func write(path, command string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(command)); err != nil {
		return fmt.Errorf("%s: %s: %w", path, command, err)
	}
	return nil
}

// measure does all that is measured at once, for some time.
func (p *probe) measure(length time.Duration) (f figures) {
	before := p.stormed()
	harness.Say("begun")
	p.end = time.Now().Add(length)
	var all sync.WaitGroup
	all.Go(func() { p.lookAtFiles(&f) })
	all.Go(func() { p.awaitHellos(&f) })
	all.Go(p.broadcast)
	p.roundTrips(&f)
	all.Wait()
	f.Storm = p.stormed() - before
	return f
}
