package hostile

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// attack is a row of the table.
type attack struct {
	name    string
	options []string // of the mount, beside mode=1777
	procs   int      // how many processes attack: 0 is one
	kills   bool     // the attack is that its processes are killed
	stops   bool     // all processes but the first are stopped before it begins
	threads int      // how many more threads the daemon may have, if not 0

	// around makes what root has to make for the attack, before it, and returns what ends
	// that, before the attackers are killed; nil: nothing.
	around func(r *trial, m *harness.Mounted) (end func())

	setup func(a *attacker) // before the victim measures
	step  func(a *attacker) // again and again while it does
	// check is done during the attack, behind the measurement.
	check func(r *trial, m *harness.Mounted)
}

// nobody attacks, and victim is the user who is to feel nothing.
const (
	nobody = 65534
	victim = 1234
)

const (
	quietLength  = 500 * time.Millisecond
	attackLength = 1500 * time.Millisecond
	setupLimit   = 30 * time.Second // of attackers: it is not measured
)

// try mounts, measures once without the attack and once with it, and takes all
// away.
func (a *attack) try(r *trial) {
	m := mount(r, a.options)
	v := harness.StartAs(r, victim, "victim", m.Dir)
	v.Expect(r, "ready")
	quiet := measure(r, v, quietLength, func() {})
	end := func() {}
	if a.around != nil {
		end = sync.OnceFunc(a.around(r, m))
		r.Cleanup(end)
	}
	attackers := a.start(r, m)
	threads := watchThreads(r, m)
	attacked := measure(r, v, attackLength, func() {
		for _, c := range attackers {
			if a.kills {
				c.Signal(r, unix.SIGKILL)
			}
		}
	})
	if n := threads(); a.threads > 0 && n > a.threads {
		r.exceeds("%d more threads, at most %d", n, a.threads)
	}
	if a.check != nil {
		a.check(r, m)
	}
	end()
	for _, c := range attackers {
		if !a.kills && !c.Running() {
			r.Errorf("attacker %d has given up", c.PID)
		}
		c.Kill(r)
	}
	if !m.Running() {
		r.Fatal("the daemon has ended")
	}
	v.Tell(r, "end")
	v.Expect(r, "ended")
	v.AwaitEnd(r)
	sweep(r, m)
	peak := m.PeakKB(r)
	if limit := memoryLimit(r, m); peak > limit {
		r.exceeds("the daemon held %d MiB, at most %d", peak>>10, limit>>10)
	}
	a.tell(r, quiet, attacked, peak)
	exceeded(r, quiet, attacked)
	m.End(r)
}

// mount mounts on a directory that all users may enter.
func mount(r *trial, options []string) *harness.Mounted {
	r.Helper()
	dir, err := os.MkdirTemp("", "ipnfs-hostile-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = os.Remove(dir) })
	return harness.MountOn(r, dir, append([]string{"mode=1777"}, options...)...)
}

// start starts the attackers, waits until they are ready and tells them to
// begin.
func (a *attack) start(r *trial, m *harness.Mounted) (all []*harness.Child) {
	r.Helper()
	for i := range max(1, a.procs) {
		c := harness.StartAs(r, nobody, "attacker", a.name, fmt.Sprint(i), m.Dir)
		if line := c.LineWithin(r, setupLimit); line != "ready" {
			r.Fatalf("attacker %d: %s", i, line)
		}
		all = append(all, c)
	}
	r.Cleanup(func() { // who waits for a daemon that does not answer cannot end before it
		if r.Failed() && m.Running() {
			m.Kill(r)
		}
	})
	for i, c := range all {
		if a.stops && i > 0 {
			c.Signal(r, unix.SIGSTOP)
			continue
		}
		c.Tell(r, "begin")
	}
	return all
}

// measure lets the victim measure for some time, and does something as soon as
// it has begun.
func measure(r *trial, v *harness.Child, length time.Duration, begun func()) (f figures) {
	r.Helper()
	v.Tell(r, length.String())
	if line := v.LineWithin(r, 2*harness.Deadline); line != "begun" {
		r.Fatalf("the victim said %q", line)
	}
	begun()
	line := v.LineWithin(r, length+harness.Deadline)
	if err := json.Unmarshal([]byte(line), &f); err != nil {
		r.Fatalf("the victim said %q: %v", line, err)
	}
	return f
}

// watchThreads counts the daemon's threads until it is called: how many more
// there were than now.
func watchThreads(r *trial, m *harness.Mounted) func() int {
	before, most := m.Threads(r), 0
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				most = max(most, m.Threads(r)-before)
			}
		}
	}()
	end := sync.OnceValue(func() int {
		close(stop)
		<-done
		return most
	})
	r.Cleanup(func() { end() })
	return end
}

// sweep waits until the ports of all are gone, checks that each frame was
// delivered or counted, and removes what networks are left: nothing is held
// then.
func sweep(r *trial, m *harness.Mounted) {
	r.Helper()
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		ports, err := os.ReadDir(m.Path(e.Name(), "ports"))
		for _, p := range ports { // those that were reserved
			_ = os.Remove(m.Path(e.Name(), "ports", p.Name()))
		}
		if err == nil {
			harness.Eventually(r, "the ports of "+e.Name()+" to be gone", func() bool {
				return m.Stats(r, e.Name())["ports"] == 0
			})
			m.CheckBalance(r, e.Name())
		}
		if err := os.Remove(m.Path(e.Name())); err != nil && !os.IsNotExist(err) {
			r.Error(err)
		}
	}
	m.CheckIdle(r)
}
