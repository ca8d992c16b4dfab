package cable

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// kind is how cables of a kind are laid between machines, each to each, and what they
// promise.
type kind struct {
	name string
	lay  func(t *testing.T, machines []*machine)
	// reliable: what is sent while the link is up comes, whatever the line loses.
	reliable bool
	// noticed: a line that is cut is noticed.
	noticed bool
	pairs   bool  // a cable for each two machines
	ports   []int // that strangers reach
}

var kinds = []kind{
	{name: "udp", lay: layUDP, pairs: true, ports: []int{5012, 5021}},
	{name: "vxlan", lay: layVXLAN, ports: []int{4789}},
	{name: "cmd", lay: layCommand, reliable: true, pairs: true, ports: []int{7012}},
	{name: "tls", lay: layTLS, reliable: true, noticed: true, pairs: true, ports: []int{4000}},
	{name: "nats", lay: layNATS, ports: []int{4222}},
}

// pairs calls f for each two machines.
func pairs(machines []*machine, f func(a, b *machine)) {
	for i, a := range machines {
		for _, b := range machines[i+1:] {
			f(a, b)
		}
	}
}

func layUDP(t *testing.T, machines []*machine) {
	pairs(machines, func(a, b *machine) {
		here, there := 5000+10*a.index+b.index, 5000+10*b.index+a.index
		a.lay(t, fmt.Sprintf("udp://%v:%d->%v:%d", a.addr, here, b.addr, there))
		b.lay(t, fmt.Sprintf("udp://%v:%d->%v:%d", b.addr, there, a.addr, here))
	})
}

// layVXLAN lays one cable to all peers.
func layVXLAN(t *testing.T, machines []*machine) {
	for _, x := range machines {
		var peers []string
		for _, y := range machines {
			if y != x {
				peers = append(peers, y.addr.String())
			}
		}
		x.lay(t, fmt.Sprintf("vxlan://%s?vni=7", strings.Join(peers, ",")))
	}
}

func layCommand(t *testing.T, machines []*machine) {
	if _, err := exec.LookPath("socat"); err != nil {
		harness.Missing(t, "socat")
	}
	pairs(machines, func(a, b *machine) {
		port := 7000 + 10*a.index + b.index
		b.lay(t, fmt.Sprintf("cmd://socat - TCP-LISTEN:%d,bind=%v,reuseaddr,nodelay", port, b.addr))
		a.lay(t, fmt.Sprintf("cmd://socat - TCP:%v:%d,nodelay", b.addr, port))
	})
}

// layTLS lays cables to one port of each machine, which its peers' keys tell apart.
func layTLS(t *testing.T, machines []*machine) {
	dir := t.TempDir()
	pin, file := map[*machine]string{}, map[*machine]string{}
	for _, x := range machines {
		file[x] = filepath.Join(dir, fmt.Sprint(x.index))
		out, code := harness.Run(t, "key", file[x])
		if pin[x] = strings.TrimSpace(out); code != 0 {
			t.Fatalf("ipnfs key: %s", out)
		}
	}
	pairs(machines, func(a, b *machine) {
		b.lay(t, fmt.Sprintf("tls-listen://%v:4000?cert=%s&pin=%s", b.addr, file[b], pin[a]))
		a.lay(t, fmt.Sprintf("tls://%v:4000?cert=%s&pin=%s", b.addr, file[a], pin[b]))
	})
}

// layNATS starts a server on each machine, all of one cluster. A line that is cut is
// between them: the cables do not notice.
func layNATS(t *testing.T, machines []*machine) {
	program, err := exec.LookPath("nats-server")
	if err != nil {
		harness.Missing(t, "nats-server")
	}
	var routes []string
	for _, x := range machines {
		routes = append(routes, fmt.Sprintf("nats://%v:6222", x.addr))
	}
	for _, x := range machines {
		server := exec.Command("ip", "netns", "exec", x.end.name, program, "-a", x.addr.String(), "-p", "4222",
			"--cluster_name", "test", "--cluster", fmt.Sprintf("nats://%v:6222", x.addr), "--routes", strings.Join(routes, ","))
		server.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = server.Process.Kill()
			_ = server.Wait()
		})
		x.lay(t, fmt.Sprintf("nats://%v:4222/lan", x.addr))
	}
}
