package ether

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"ipnfs/test/harness"
)

// Times of the spanning trees, as short as IEEE 802.1D allows.
const (
	ipnfsTimes  = "rstp hello=1 max_age=6 forward_delay=4"
	kernelTimes = "hello_time 100 max_age 600 forward_delay 400" // 1/100 s
)

// slow is how long a tree of STP may take: to notice that a neighbour is
// silent, and to go through listening and learning, and then some.
const slow = 3 * time.Minute

// ring is bridges in a circle, each with a station.
type ring struct {
	*lab
	name     string
	stations []*wire
	kernels  []*host  // those of the kernel, each with a bridge br0
	networks []string // those of ipnfs
	links    []edge   // in order
	sent     int      // rounds of probes
	carrier  bool     // links between ipnfs switches are cut by taking the carrier away
}

// edge is a link of a ring: it can be cut and healed.
type edge struct{ cut, heal func() }

// addNetwork adds an ipnfs switch, with a station at a tap or veth.
func (r *ring) addNetwork(priority int) string {
	name := fmt.Sprint("net", len(r.networks))
	r.network(name, fmt.Sprintf("switch/stp=%s priority=%d", ipnfsTimes, priority))
	h := newHost(r.t)
	h.attach(r.lab, name, r.by, "eth0")
	r.set(name, "ports/1/stp=edge=on")
	r.addStation(h)
	r.networks = append(r.networks, name)
	return name
}

// addKernel adds a bridge of the kernel, with a station at a veth.
func (r *ring) addKernel(priority int) *host {
	k := newHost(r.t)
	k.IP("link add br0 type bridge")
	k.Quiet("br0")
	k.IP(fmt.Sprintf("link set br0 type bridge stp_state 1 priority %d %s", priority, kernelTimes))
	k.IP("link set br0 up")
	h := newHost(r.t)
	k.veth("station", h)
	k.IP("link set station master br0")
	r.addStation(h)
	r.kernels = append(r.kernels, k)
	return k
}

func (r *ring) addStation(h *host) {
	h.Quiet("eth0")
	h.IP("link set eth0 up")
	r.stations = append(r.stations, h.wire("eth0"))
}

// joinNetworks joins two ipnfs switches by a veth pair of which each grabs an
// end. To cut it, one is no port any more, or there is no carrier.
func (r *ring) joinNetworks(a, b string) {
	between := newHost(r.t)
	between.IP("link add va type veth peer name vb")
	for _, name := range []string{"va", "vb"} {
		between.Quiet(name)
		between.IP("link set " + name + " up")
	}
	between.attach(r.lab, a, "grab", "va")
	between.attach(r.lab, b, "grab", "vb")
	if r.carrier {
		r.links = append(r.links, edge{
			func() { between.IP("link set va down") },
			func() { between.IP("link set va up") },
		})
		return
	}
	r.links = append(r.links, edge{
		func() { between.attach(r.lab, a, "grab", "-va") },
		func() { between.attach(r.lab, a, "grab", "va") },
	})
}

// joinKernel joins an ipnfs switch to a bridge of the kernel by a tap or veth, which
// is a port of both.
func (r *ring) joinKernel(network string, k *host) {
	name := fmt.Sprint("tap", len(r.links))
	k.attach(r.lab, network, r.by, name)
	k.Quiet(name)
	k.IP("link set " + name + " master br0")
	k.IP("link set " + name + " up")
	r.links = append(r.links, edge{
		func() { k.IP("link set " + name + " nomaster") },
		func() { k.IP("link set " + name + " master br0") },
	})
}

// probe sends a broadcast from each station and tells whether those of the
// last round came to all others. No broadcast may ever come twice.
func (r *ring) probe() (whole bool) {
	r.t.Helper()
	whole = r.sent > 0
	for to, s := range r.stations {
		if body := s.twice(); body != "" {
			r.t.Fatalf("%s: %q came twice to station %d\n%s", r.name, body, to, r)
		}
		for from := range r.stations {
			if from != to && r.sent > 0 && len(s.came(r.body(from, r.sent))) == 0 {
				whole = false
			}
		}
	}
	r.sent++
	for i, s := range r.stations {
		s.send(frame(byte(i), r.body(i, r.sent)))
	}
	return whole
}

func (r *ring) body(station, round int) string {
	return fmt.Sprintf("probe %d of station %d", round, station)
}

// converge waits until everybody reaches everybody in all rings.
func converge(t *testing.T, what string, rings []*ring) {
	t.Helper()
	began := time.Now()
	for _, r := range rings {
		r.probe() // what was sent before counts no more
	}
	took := make([]time.Duration, len(rings))
	for open := len(rings); open > 0; time.Sleep(20 * time.Millisecond) {
		for i, r := range rings {
			if r.probe() && took[i] == 0 {
				took[i] = time.Since(began)
				open--
			} else if took[i] == 0 && time.Since(began) > slow {
				t.Fatalf("%s, %s: after %s not everybody reaches everybody\n%s", r.name, what, slow, r)
			}
		}
	}
	for i, r := range rings {
		t.Logf("%s, %s: %.1f s", r.name, what, took[i].Seconds())
	}
}

// blocked counts the ports that discard, or is -1 if one is on its way.
func (r *ring) blocked() (n int) {
	var states []string
	for _, name := range r.networks {
		for _, line := range strings.Split(harness.Get(r.t, r.Path(name, "switch", "stp")), "\n") {
			states = append(states, harness.Field(line, "state"))
		}
	}
	for _, k := range r.kernels {
		for _, l := range k.links() {
			states = append(states, l.Info.Data.State)
		}
	}
	for _, state := range states {
		switch state {
		case "learning", "listening":
			return -1
		case "discarding", "blocking":
			n++
		}
	}
	return n
}

// bridgeLink is what ip(8) tells of a bridge or of a port of it.
type bridgeLink struct {
	Name string `json:"ifname"`
	Info struct {
		Data struct {
			State string `json:"state"`
			Root  string `json:"root_id"`
		} `json:"info_slave_data"`
	} `json:"linkinfo"`
}

func (h *host) links() (list []bridgeLink) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.IP("-d -j link show")), &list); err != nil {
		h.t.Fatal(err)
	}
	return list
}

// roots lists what each bridge takes for the root.
func (r *ring) roots() (list []string) {
	for _, name := range r.networks {
		for _, line := range strings.Split(harness.Get(r.t, r.Path(name, "switch", "stp")), "\n") {
			if strings.HasPrefix(line, "tree ") {
				list = append(list, harness.Field(line, "root"))
			}
		}
	}
	for _, k := range r.kernels {
		for _, l := range k.links() {
			if l.Name == "station" { // of the bridge itself ip(8) shows its own id instead
				list = append(list, plainID(l.Info.Data.Root))
			}
		}
	}
	return list
}

// plainID writes an id as ipnfs does: 8000.2:0:0:0:0:a becomes
// 8000.02000000000a.
func plainID(id string) string {
	priority, mac, _ := strings.Cut(id, ".")
	for _, octet := range strings.Split(mac, ":") {
		v, _ := strconv.ParseUint(octet, 16, 8)
		priority += fmt.Sprintf("%02x", v)
	}
	return priority[:4] + "." + priority[4:]
}

// String shows the trees.
func (r *ring) String() string {
	var b strings.Builder
	for _, name := range r.networks {
		fmt.Fprintf(&b, "%s: %s\n", name, harness.Get(r.t, r.Path(name, "switch", "stp")))
	}
	for _, k := range r.kernels {
		fmt.Fprintf(&b, "kernel's: %+v\n", k.links())
	}
	return b.String()
}

// Rings of ipnfs switches and of the kernel's bridges, which speak STP only:
// they become trees with one port blocked and one root, links that are cut are
// replaced, and at no moment does a broadcast come twice.
func TestRings(t *testing.T) {
	t.Parallel()
	rings := []*ring{
		newRing(t, "tap", "three ipnfs", "iii", false),
		newRing(t, "veth", "four ipnfs", "iiii", true),
		newRing(t, "tap", "two ipnfs, one kernel", "iik", false),
		newRing(t, "veth", "two ipnfs, one kernel", "iik", false),
		newRing(t, "tap", "kernel's root, two ipnfs", "kii", true),
		newRing(t, "veth", "kernel's root, two ipnfs", "kii", true),
		newRing(t, "veth", "two ipnfs, two kernels in turn", "ikik", false),
	}
	converge(t, "as made", rings)
	check := func(what string) {
		t.Helper()
		for _, r := range rings {
			r.check(what)
		}
	}
	check("as made")
	for _, r := range rings {
		r.links[0].cut() // of the root
	}
	converge(t, "cut", rings)
	for _, r := range rings {
		r.links[0].heal()
	}
	check("healed")
}

// check waits until one port of the ring is blocked, all agree on the root,
// which is the first bridge, and everybody reaches everybody.
func (r *ring) check(what string) {
	r.t.Helper()
	began := time.Now()
	good := func() bool {
		roots := r.roots()
		for _, root := range roots {
			if root != roots[0] || !strings.HasPrefix(root, "0000.") {
				return false
			}
		}
		return r.probe() && r.blocked() == 1
	}
	for !good() {
		if time.Since(began) > slow {
			r.t.Fatalf("%s, %s: no tree with one blocked port: roots %v, %d blocked\n%s", r.name, what, r.roots(), r.blocked(), r)
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.t.Logf("%s, %s: a tree with one blocked port after %.1f s", r.name, what, time.Since(began).Seconds())
}

// newRing makes a ring of bridges, i of ipnfs and k of the kernel. The first
// one is to be the root.
func newRing(t *testing.T, by, name, bridges string, carrier bool) *ring {
	t.Helper()
	r := &ring{lab: start(t), name: name + " by " + by, carrier: carrier}
	r.by = by
	type bridge struct {
		network string
		kernel  *host
	}
	var list []bridge
	for i, kind := range bridges {
		priority := min(i, 1) * 0x8000
		if kind == 'k' {
			list = append(list, bridge{kernel: r.addKernel(priority)})
		} else {
			list = append(list, bridge{network: r.addNetwork(priority)})
		}
	}
	for i, a := range list {
		switch b := list[(i+1)%len(list)]; {
		case a.kernel != nil:
			r.joinKernel(b.network, a.kernel)
		case b.kernel != nil:
			r.joinKernel(a.network, b.kernel)
		default:
			r.joinNetworks(a.network, b.network)
		}
	}
	return r
}
