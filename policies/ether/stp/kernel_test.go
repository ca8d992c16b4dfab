package stp

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// A ring of three: a Bridge, and two bridges of the kernel with its own STP. It
// makes one tree, whoever is the root, also when a link is cut, and the same
// again when it is healed.
func TestKernel(t *testing.T) {
	harness.NeedRoot(t)
	harness.NeedProgram(t, "ip")
	for i, c := range []struct {
		name                string
		ours, first, second uint16 // priorities
		cut                 func(r *kernelRing, to string)
		before, after       string // links that forward
	}{
		{"the Bridge is the root", 0x1000, 0x8000, 0x8000, func(r *kernelRing, to string) {
			r.link("k2a", to)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.bridge.EnablePort(2, to == "up")
		}, "1 2", "1 3"},
		{"the kernel is the root", 0xf000, 0x1000, 0x8000, func(r *kernelRing, to string) {
			r.link("k1b", to)
		}, "1 3", "1 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newKernelRing(t, fmt.Sprintf("stp%d-%d", os.Getpid(), i), c.ours, c.first, c.second)
			r.wait("start", c.before)
			c.cut(r, "down")
			r.wait("cut", c.after)
			c.cut(r, "up")
			r.wait("heal", c.before)
		})
	}
}

// kernelRing is a Bridge in one network namespace, and the kernel's bridges k1
// and k2 in another. Links: Bridge port 1 to k1a, port 2 to k2a, k1b to k2b.
// It is the Output of the Bridge.
type kernelRing struct {
	t       *testing.T
	ns      string // of the kernel's bridges
	sockets [3]int // by port

	mu     sync.Mutex
	bridge *Bridge
	states [3]State
}

func newKernelRing(t *testing.T, ns string, ours, first, second uint16) *kernelRing {
	r := &kernelRing{t: t, ns: ns}
	mine := ns + "x"
	for _, name := range []string{ns, mine} {
		r.ip("netns", "add", name)
		t.Cleanup(func() { r.ip("netns", "del", name) })
	}
	for name, priority := range map[string]uint16{"k1": first, "k2": second} {
		// The shortest times that 802.1D allows.
		r.ip("-n", ns, "link", "add", name, "type", "bridge", "stp_state", "1", "priority", fmt.Sprint(priority),
			"hello_time", "200", "max_age", "600", "forward_delay", "400")
		r.link(name, "up")
	}
	r.ip("-n", ns, "link", "add", "k1b", "type", "veth", "peer", "name", "k2b")
	for _, port := range []string{"1", "2"} {
		r.ip("-n", ns, "link", "add", "k"+port+"a", "type", "veth", "peer", "name", "port"+port, "netns", mine)
		r.ip("-n", mine, "link", "set", "port"+port, "up")
		for _, end := range []string{"a", "b"} {
			r.ip("-n", ns, "link", "set", "k"+port+end, "master", "k"+port)
			r.link("k"+port+end, "up")
		}
	}
	var err error
	r.bridge, err = New(Config{Priority: ours, MAC: testMAC, HelloTime: 2, MaxAge: 6, ForwardDelay: 4}, r)
	if err != nil {
		t.Fatal(err)
	}
	r.listen(mine)
	return r
}

// listen runs the Bridge until the test ends.
func (r *kernelRing) listen(ns string) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	r.t.Cleanup(func() {
		close(done)
		wg.Wait()
	})
	for port := 1; port <= 2; port++ {
		fd, err := packetSocket(ns, fmt.Sprintf("port%d", port))
		if err != nil {
			r.t.Fatal(err)
		}
		r.sockets[port] = fd
		wg.Go(func() {
			defer unix.Close(fd)
			r.receive(port, done)
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for port := 1; port <= 2; port++ {
		if err := r.bridge.AddPort(port, link); err != nil {
			r.t.Fatal(err)
		}
	}
	wg.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				r.mu.Lock()
				r.bridge.Tick()
				r.mu.Unlock()
			}
		}
	})
}

func (r *kernelRing) receive(port int, done chan struct{}) {
	frame := make([]byte, 2048)
	for {
		n, err := unix.Read(r.sockets[port], frame)
		select {
		case <-done:
			return
		default:
		}
		if err == nil {
			r.mu.Lock()
			r.bridge.Receive(port, frame[:n])
			r.mu.Unlock()
		}
	}
}

func (r *kernelRing) Send(port int, frame []byte)        { unix.Write(r.sockets[port], frame) }
func (r *kernelRing) SetState(port int, s State)         { r.states[port] = s }
func (r *kernelRing) Flush(port int)                     {}
func (r *kernelRing) Event(name string, p int, d string) {}

// packetSocket opens a packet socket on an interface in a network namespace,
// for frames with LLC. Its reads end now and then.
func packetSocket(ns, name string) (fd int, err error) {
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		runtime.LockOSThread() // and never again unlock: the thread ends
		fd, err = openIn(ns, name)
	}()
	<-opened
	return fd, err
}

func openIn(ns, name string) (int, error) {
	file, err := os.Open("/run/netns/" + ns)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return 0, err
	}
	const llc = unix.ETH_P_802_2<<8 | unix.ETH_P_802_2>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, llc)
	if err != nil {
		return 0, err
	}
	ifreq, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifreq)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: llc, Ifindex: int(ifreq.Uint32())})
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

func (r *kernelRing) ip(args ...string) {
	r.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		r.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (r *kernelRing) link(name, to string) {
	r.t.Helper()
	r.ip("-n", r.ns, "link", "set", name, to)
}

// wait waits until exactly those links forward at both ends, and all bridges
// agree on the root. Never do all three forward.
func (r *kernelRing) wait(what, links string) {
	r.t.Helper()
	begin := time.Now()
	for {
		active, roots := r.look()
		switch {
		case active == "1 2 3":
			r.t.Fatalf("%s: a loop", what)
		case active == links && len(roots) == 1:
			r.t.Logf("%s: after %.1f s", what, time.Since(begin).Seconds())
			return
		case time.Since(begin) > 90*time.Second:
			r.t.Fatalf("%s: links %q forward, want %q, roots %v", what, active, links, roots)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// look tells which links forward, and the roots that bridges believe in. Link 3
// is that between the kernel's bridges.
func (r *kernelRing) look() (active string, roots map[string]bool) {
	out, err := exec.Command("ip", "netns", "exec", r.ns, "sh", "-c",
		"cd /sys/class/net; cat k1a/brport/state k2a/brport/state k1b/brport/state k2b/brport/state k1/bridge/root_id k2/bridge/root_id").Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) != 6 {
		r.t.Fatalf("the kernel's bridges: %v, %q", err, out)
	}
	kernel := func(i int) bool { return words[i] == "3" } // BR_STATE_FORWARDING
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for i, forwards := range []bool{
		r.states[1] == Forwarding && kernel(0),
		r.states[2] == Forwarding && kernel(1),
		kernel(2) && kernel(3),
	} {
		if forwards {
			list = append(list, fmt.Sprint(i+1))
		}
	}
	return strings.Join(list, " "), map[string]bool{words[4]: true, words[5]: true, r.bridge.Status().RootID.String(): true}
}
