package hostile

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// onControl are attacks by commands, directories and reports.
var onControl = []attack{
	{
		name:  "mkdir-storm",
		procs: 2,
		setup: func(a *attacker) {},
		step: func(a *attacker) {
			from, to := fmt.Sprint(a.dir, "/storm", a.index), fmt.Sprint(a.dir, "/moved", a.index)
			_, _ = os.Mkdir(from, 0o755), os.Rename(from, to)
			_ = unix.Rmdir(to)
		},
	},
	{
		name:  "open-storm",
		procs: 2,
		setup: func(a *attacker) { a.network("opens") },
		step:  func(a *attacker) { a.visit("/opens/" + []string{"port", "stream", "stats", "mtu"}[a.count%4]) },
	},
	{
		name:  "settings", // each changes thousands of queues
		procs: 2,
		setup: first(func(a *attacker) { a.crowd(5000, "port") }),
		step: func(a *attacker) {
			if a.index > 0 {
				a.visit("/crowd0/port")
				return
			}
			a.set(a.dir+"/crowd0/queue", []string{"1", "65536"}[a.count%2])
			a.set(a.dir+"/crowd0/overflow", []string{"block", "drop-old"}[a.count%2])
			a.set(a.dir+"/crowd0/stats", "reset")
		},
	},
	{
		name: "mirrors", // a frame to 500 ports, each shown at 500 others
		setup: func(a *attacker) {
			a.crowd(1000, "port", "overflow drop-old")
			var watched []byte
			for port := 501; port <= 1000; port++ {
				watched = fmt.Append(watched, port, " ")
			}
			for port := 2; port <= 500; port++ {
				a.set(fmt.Sprintf("%s/crowd0/ports/%d/mirror", a.dir, port), string(watched))
			}
		},
		step: func(a *attacker) { _, _ = unix.Write(a.door, []byte("x")) },
	},
	{
		name:  "reports", // of a mount with as many networks as a user can make
		procs: 3,
		setup: first(func(a *attacker) {
			for i := range 3000 {
				a.network(fmt.Sprint("net", i))
			}
		}),
		step: func(a *attacker) {
			a.peek([]string{"/metrics", "/errors", "/policies", "/features"}[a.count%4])
			_, _ = os.ReadDir(a.dir)
		},
	},
	{
		name:  "ports-listed",
		setup: func(a *attacker) { a.crowd(4000, "port") },
		step: func(a *attacker) {
			_, _ = os.ReadDir(a.dir + "/crowd0/ports")
			a.peek("/crowd0/stats")
			a.peek(fmt.Sprintf("/crowd0/ports/%d/info", a.count%1000+1))
		},
	},
	{
		name:  "saved", // a script of many ports, each with settings of its own
		procs: 3,
		setup: first(func(a *attacker) {
			dir := a.network("saved", "policy switch", "maxports 65536")
			for port := 1; port <= 3000; port++ {
				_ = os.Mkdir(fmt.Sprint(dir, "/ports/", port), 0o755)
				a.set(fmt.Sprint(dir, "/ports/", port, "/isolated"), "on")
			}
		}),
		step: func(a *attacker) { a.peek("/saved/save") },
	},
	{
		name:    "taps", // thousands of commands that are refused
		threads: 100,
		procs:   2,
		setup: func(a *attacker) {
			a.network("taps")
			for range 500 { // at once, each its own thread
				go func() {
					for {
						_ = write(a.dir+"/taps/tap", "nothing")
						_ = write(a.dir+"/taps/grab", "nothing")
					}
				}()
			}
		},
	},
	{
		name:  "errors-pushed", // a user's refusals push out those of others
		setup: func(a *attacker) { a.network("refusals") },
		step: func(a *attacker) {
			_ = write(a.dir+"/refusals/mtu", "no number")
			_ = os.Mkdir(a.dir+"/.hidden", 0o755)
		},
		check: func(r *trial, m *harness.Mounted) {
			beRefused(r, m)
			time.Sleep(200 * time.Millisecond) // hundreds of refusals
			if !finds(r, m, victim) {
				r.exceeds("the victim's line is no more in errors")
			}
		},
	},
	{
		name:  "errors-read", // and show what others were refused
		setup: func(a *attacker) {},
		step:  func(a *attacker) { a.peek("/errors") },
		check: func(r *trial, m *harness.Mounted) {
			beRefused(r, m)
			if finds(r, m, nobody) {
				r.exceeds("errors tells nobody what the victim was refused in a network of mode 0700")
			}
		},
	},
}

const secret = "a-secret-key"

// beRefused lets the victim be refused something secret in a network that is his
// alone.
func beRefused(r *trial, m *harness.Mounted) {
	harness.StartAs(r, victim, "refused", m.Dir).Expect(r, "refused")
}

// finds tells whether a user finds the secret in the mount's errors.
func finds(r *trial, m *harness.Mounted, uid uint32) bool {
	c := harness.StartAs(r, uid, "grep", secret, m.Path("errors"))
	defer c.AwaitEnd(r)
	return c.Line(r) == "found"
}

func init() {
	harness.Role("grep", func(args []string) {
		text, err := os.ReadFile(args[1])
		if err != nil {
			fail(err)
		}
		if !strings.Contains(string(text), args[0]) {
			harness.Say("not found")
			return
		}
		harness.Say("found")
	})
	harness.Role("refused", func(args []string) {
		if err := os.Mkdir(args[0]+"/private", 0o700); err != nil {
			fail(err)
		}
		if err := write(args[0]+"/private/policy", secret); err == nil {
			fail(fmt.Errorf("policy %s: not refused", secret))
		}
		harness.Say("refused")
	})
}
