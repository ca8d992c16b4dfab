package ether

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// place is an interface whose offloads ethtool(8) switches.
type place struct {
	*host
	name string
}

// bench is two hosts, what joins them, and the interfaces between.
type bench struct {
	pair
	places []place
	stats  func() string // of the network, for a message
}

// doors are the ways in which what a grabbed interface brings leaves again.
var doors = []struct {
	name string
	join func(t *testing.T, b *bench)
}{
	{"a tap", func(t *testing.T, b *bench) {
		l := start(t)
		b.grab(l, b.a, lan)
		b.attach(l, b.b, lan)
	}},
	{"a veth", func(t *testing.T, b *bench) {
		l := start(t)
		l.by = "veth"
		b.grab(l, b.a, lan)
		b.attach(l, b.b, lan)
	}},
	{"veths", func(t *testing.T, b *bench) {
		l := start(t)
		l.by = "veth"
		b.attach(l, b.a, lan)
		b.attach(l, b.b, lan)
		b.stats = func() string { return harness.Get(t, l.Path(lan, "stats")) }
	}},
	{"a grabbed interface", func(t *testing.T, b *bench) {
		l := start(t)
		b.grab(l, b.a, lan)
		b.grab(l, b.b, lan)
	}},
	{"port", func(t *testing.T, b *bench) { b.copied(t, "port") }},
	{"stream", func(t *testing.T, b *bench) { b.copied(t, "stream") }},
}

func (b *bench) grab(l *lab, h *host, network string) {
	outside := newHost(l.t)
	outside.veth("v0", h)
	outside.attach(l, network, "grab", "v0")
	b.places = append(b.places, place{h, "eth0"}, place{outside, "v0"})
	b.stats = func() string { return harness.Get(l.t, l.Path(network, "stats")) }
}

func (b *bench) attach(l *lab, h *host, network string) {
	h.attach(l, network, l.by, "eth0")
	b.places = append(b.places, place{h, "eth0"})
}

// copied joins two networks by a program that copies from a file of the one to
// that of the other.
func (b *bench) copied(t *testing.T, name string) {
	l := start(t)
	l.network("wan")
	b.grab(l, b.a, lan)
	b.attach(l, b.b, "wan")
	var work sync.WaitGroup
	var ends [2]*os.File
	for i, network := range []string{lan, "wan"} {
		fd, err := unix.Open(l.Path(network, name), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = os.NewFile(uintptr(fd), name)
	}
	for i := range ends {
		work.Go(func() { _, _ = io.CopyBuffer(onlyWrites{ends[1-i]}, onlyReads{ends[i]}, make([]byte, 1<<17)) })
	}
	t.Cleanup(func() {
		ends[0].Close()
		ends[1].Close()
		work.Wait()
	})
}

type (
	onlyReads  struct{ io.Reader }
	onlyWrites struct{ io.Writer }
)

// tunnels are those that the hosts may have between them, by the kind of ip
// link; N and M are the numbers of the host and of the other one.
var tunnels = []string{
	"vxlan id 7 dstport 4789 local 10.0.0.N remote 10.0.0.M dev eth0",
	"vxlan id 8 dstport 4790 udpcsum local 10.0.0.N remote 10.0.0.M dev eth0",
	"vxlan id 9 dstport 4791 udp6zerocsumtx udp6zerocsumrx local fd00::N remote fd00::M dev eth0",
	"vxlan id 10 dstport 4792 local fd00::N remote fd00::M dev eth0",
	"geneve id 7 remote 10.0.0.M",
	"geneve id 8 dstport 6082 udpcsum remote 10.0.0.M",
	"gretap local 10.0.0.N remote 10.0.0.M",
	"gretap local 10.0.0.N remote 10.0.0.M csum key 5",
	"ip6gretap local fd00::N remote fd00::M encaplimit none",
	"ipip local 10.0.0.N remote 10.0.0.M",
	"sit local 10.0.0.N remote 10.0.0.M",
}

// tunnel makes those that this kernel knows, and returns their networks.
func (b *bench) tunnel(t *testing.T) (nets []string) {
	for i, kind := range tunnels {
		name := fmt.Sprintf("tu%d", i)
		made := true
		for n, h := range []*host{b.a, b.b} {
			words := strings.NewReplacer(".N", fmt.Sprint(".", n+1), ".M", fmt.Sprint(".", 2-n), ":N", fmt.Sprint(":", n+1), ":M", fmt.Sprint(":", 2-n)).Replace(kind)
			if out, err := h.Try(append([]string{"ip", "link", "add", name, "type"}, strings.Fields(words)...)...); err != nil {
				if !strings.Contains(out, "not supported") && !strings.Contains(out, "Unknown device type") {
					t.Fatalf("ip link add %s type %s: %s", name, words, out)
				}
				made = false
				break
			}
			h.IP(fmt.Sprintf("addr add fd%02d::%d/64 dev %s nodad", i+10, n+1, name))
			h.IP("link set " + name + " up")
		}
		if made {
			nets = append(nets, fmt.Sprintf("fd%02d::", i+10))
		} else {
			t.Logf("this kernel has no %s", kind)
		}
	}
	return nets
}

// exchange carries bytes both ways by TCP between the hosts' addresses of a
// network, and tells whether they arrived.
func (b *bench) exchange(prefix string, size int) error {
	var server net.Listener
	b.b.In(func() (err error) {
		server, err = net.Listen("tcp", "["+prefix+"2]:0")
		if strings.Contains(prefix, ".") {
			server, err = net.Listen("tcp", prefix+"2:0")
		}
		return err
	})
	defer server.Close()
	back := make(chan error, 1)
	go func() {
		c, err := server.Accept()
		if err == nil {
			_, err = io.Copy(c, io.LimitReader(c, int64(size)))
			c.Close()
		}
		back <- err
	}()
	sent := randomBytes(size, 3)
	c, err := b.a.dial("tcp", server.Addr().String())
	if err != nil {
		server.Close()
		<-back
		return err
	}
	defer c.Close()
	go func() { _, _ = c.Write(sent) }()
	got := make([]byte, size)
	_, err = io.ReadFull(c, got)
	if echo := <-back; err == nil {
		err = echo
	}
	if err == nil && sha256.Sum256(got) != sha256.Sum256(sent) {
		err = fmt.Errorf("other bytes came back, from %d on", mismatch(got, sent))
	}
	return err
}

// datagrams sends a super-frame of UDP each way.
func (b *bench) datagrams() error {
	for _, address := range []string{"10.0.0.%d", "[fd00::%d]"} {
		for n, p := range []pair{b.pair, {b.b, b.a}} {
			network := map[bool]string{true: "udp6", false: "udp4"}[address[0] == '[']
			if got := uso(network, fmt.Sprintf(address, 2-n))(p, 1500); got != "61 datagrams" {
				return fmt.Errorf("%s to host %d: %s", network, 2-n, got)
			}
		}
	}
	return nil
}

func mismatch(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// toggles lists what ethtool can switch at an interface, and how it is now.
func (p place) toggles(t *testing.T) (names []string, on map[string]bool) {
	t.Helper()
	out, err := p.Try("ethtool", "-k", p.name)
	if err != nil {
		t.Fatalf("ethtool -k %s: %s", p.name, out)
	}
	on = map[string]bool{}
	for _, line := range strings.Split(out, "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if ok && !strings.Contains(value, "[fixed]") && !aside[name] {
			names = append(names, name)
			on[name] = strings.HasPrefix(value, "on")
		}
	}
	return names, on
}

// aside are those that are nothing to frames.
var aside = map[string]bool{"highdma": true, "tx-nocache-copy": true, "Features for eth0": true}

// flip switches some offloads of an interface to the other position, or back.
func (p place) flip(t *testing.T, on map[string]bool, names []string, back bool) {
	t.Helper()
	argv := []string{"ethtool", "-K", p.name}
	for _, name := range names {
		argv = append(argv, name, map[bool]string{true: "on", false: "off"}[on[name] == back])
	}
	if out, err := p.Try(argv...); err != nil && !strings.Contains(out, "Could not change any") {
		t.Fatalf("%s: %s", strings.Join(argv, " "), out)
	}
}

// choices are the sets of offloads that are tried at an interface: each alone,
// and all pairs.
func choices(names []string, pairs bool) (sets [][]string) {
	for i, name := range names {
		sets = append(sets, []string{name})
		for _, other := range names[:i] {
			if pairs {
				sets = append(sets, []string{other, name})
			}
		}
	}
	return sets
}

// Whatever offloads are on at the interfaces between two hosts, what they send
// each other arrives, by tunnels too. The kernel's bridge, of which the same is
// true, is asked in doubt only.
func TestOffloads(t *testing.T) {
	harness.NeedRoot(t)
	harness.NeedProgram(t, "ethtool")
	const size = 200 << 10
	for n, door := range doors {
		t.Run(door.name, func(t *testing.T) {
			b := &bench{pair: pair{newHost(t), newHost(t)}}
			door.join(t, b)
			b.a.address(1, 1500)
			b.b.address(2, 1500)
			nets := append(b.tunnel(t), "10.0.0.", "fd00::")
			for _, prefix := range nets { // neighbours are known, and all works as it is
				if err := b.exchange(prefix, size); err != nil {
					t.Fatalf("%s: %v\n%s", prefix, err, b.stats())
				}
			}
			tried := 0
			for k, p := range b.places {
				names, on := p.toggles(t)
				for _, set := range choices(names, n == 0 && k < 2) {
					p.flip(t, on, set, false)
					for i, prefix := range nets {
						// Of pairs, each with one of the networks in turn.
						if len(set) > 1 && (tried+i)%len(nets) > 0 && !strings.Contains(strings.Join(set, " "), "gro") {
							continue
						}
						err := b.exchange(prefix, size)
						if i == 0 && err == nil && len(set) == 1 {
							err = b.datagrams()
						}
						if err != nil {
							t.Errorf("%s of %s in %s changed, network %s: %v\n%s", strings.Join(set, " and "), p.name, p.host.Name, prefix, err, b.stats())
						}
					}
					p.flip(t, on, set, true)
					if tried++; t.Failed() {
						return
					}
				}
			}
			if n := statOf(b.stats(), "drop_malformed"); n != "0" {
				t.Errorf("drop_malformed is %s", n)
			}
			t.Logf("%d sets of offloads, networks %v", tried, nets)
		})
	}
}

// statOf reads a line of stats.
func statOf(stats, name string) string {
	for _, line := range strings.Split(stats, "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return value
		}
	}
	return ""
}
