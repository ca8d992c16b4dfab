package device

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/bus/vnet"
	"ipnfs/iface/netns"
	"ipnfs/test/harness"
)

// host is a network namespace without a name: it ends with what is open of
// it, so that nothing stays behind, even of a test that is killed.
type host struct{ ns *netns.NS }

func newHost(t testing.TB) *host {
	t.Helper()
	harness.NeedRoot(t)
	type made struct {
		ns  *netns.NS
		err error
	}
	result := make(chan made)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		var ns *netns.NS
		if err == nil {
			ns, err = netns.Current()
		}
		result <- made{ns, err}
	}()
	m := <-result
	if m.err != nil {
		harness.Missing(t, "the right to make a network namespace: "+m.err.Error())
	}
	t.Cleanup(func() { m.ns.Close() })
	return &host{m.ns}
}

// do runs f in the namespace; sockets stay in the one where they were made.
func (h *host) do(t testing.TB, f func() error) {
	t.Helper()
	if err := h.ns.Do(f); err != nil {
		t.Fatal(err)
	}
}

// change finds an interface and does something to it.
func (h *host) change(t testing.TB, name string, change func(netlink.Link) error) {
	t.Helper()
	h.do(t, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return change(l)
	})
}

// up sets an interface up, with addresses; without any, nobody talks on it but
// the test.
func (h *host) up(t testing.TB, name string, addresses ...string) (index int) {
	t.Helper()
	h.change(t, name, func(l netlink.Link) error {
		index = l.Attrs().Index
		if len(addresses) == 0 {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0); err != nil {
				return err
			}
		}
		for _, a := range addresses {
			addr, err := netlink.ParseAddr(a)
			if err != nil {
				return err
			}
			addr.Flags = unix.IFA_F_NODAD
			if err := netlink.AddrAdd(l, addr); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(l)
	})
	return index
}

// What the kernel may leave to a tap: all of it.
const allOffloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN | unix.TUN_F_USO4 | unix.TUN_F_USO6

// tap makes a tap interface, up, and returns its queues, which are the
// caller's to close.
func (h *host) tap(t testing.TB, name string, queues int, addresses ...string) (fds []int, index int) {
	t.Helper()
	h.do(t, func() error {
		for range queues {
			fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err != nil {
				harness.Missing(t, "/dev/net/tun: "+err.Error())
			}
			fds = append(fds, fd)
			request, err := unix.NewIfreq(name)
			if err != nil {
				return err
			}
			flags := uint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
			if queues > 1 {
				flags |= unix.IFF_MULTI_QUEUE
			}
			request.SetUint16(flags)
			if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
				return os.NewSyscallError("TUNSETIFF", err)
			}
		}
		return os.NewSyscallError("TUNSETOFFLOAD", unix.IoctlSetInt(fds[0], unix.TUNSETOFFLOAD, allOffloads))
	})
	return fds, h.up(t, name, addresses...)
}

// veth joins an interface of each of two hosts; both are up.
func veth(t testing.TB, a *host, nameA string, b *host, nameB string) (indexA, indexB int) {
	t.Helper()
	a.do(t, func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: nameA}, PeerName: nameB, PeerNamespace: netlink.NsFd(b.ns.FD()),
		})
	})
	indexA, indexB = a.up(t, nameA), b.up(t, nameB)
	a.awaitUp(t, nameA)
	b.awaitUp(t, nameB)
	return indexA, indexB
}

// awaitUp waits until an interface that is up carries frames.
func (h *host) awaitUp(t testing.TB, name string) {
	t.Helper()
	bustest.WaitFor(t, name+" to be up", func() (up bool) {
		h.change(t, name, func(l netlink.Link) error {
			up = l.Attrs().OperState == netlink.OperUp
			return nil
		})
		return up
	})
}

// packetSocket opens one on an interface, with options of SOL_PACKET.
func (h *host) packetSocket(t testing.TB, index int, options ...int) (fd int) {
	t.Helper()
	h.do(t, func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		for _, option := range append(options, unix.PACKET_IGNORE_OUTGOING) {
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
			return err
		}
		all := uint16(unix.ETH_P_ALL)
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: index})
	})
	return fd
}

// station is who talks on an interface: a packet socket. It is the far end of
// a device whose near end is that interface's other side.
type station struct {
	fd     int
	header bool // frames have a virtio-net header in front

	mu     sync.Mutex
	buf    []byte
	frames [][]byte
}

// station talks on the interface of that index until the test ends.
func (h *host) station(t testing.TB, index int) *station {
	t.Helper()
	s := &station{fd: h.packetSocket(t, index, unix.PACKET_AUXDATA), buf: make([]byte, 1<<17)}
	t.Cleanup(func() { unix.Close(s.fd) })
	return s
}

// superStation is one that sends and sees super-frames: frames have a
// virtio-net header in front.
func (h *host) superStation(t testing.TB, index int) *station {
	t.Helper()
	s := &station{fd: h.packetSocket(t, index, unix.PACKET_VNET_HDR, unix.PACKET_AUXDATA), buf: make([]byte, 1<<17), header: true}
	t.Cleanup(func() { unix.Close(s.fd) })
	return s
}

// send sends a frame, or fails the test.
func (s *station) send(t testing.TB, frame []byte) {
	t.Helper()
	if err := s.Try(frame); err != nil {
		t.Fatalf("a packet socket refuses %d bytes: %v", len(frame), err)
	}
}

func (s *station) Try(frame []byte) error {
	_, err := unix.Write(s.fd, frame)
	return err
}

// Received returns the frames that came so far, with their tags.
func (s *station) Received() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	control := make([]byte, 256)
	for {
		n, oobn, _, _, err := unix.Recvmsg(s.fd, s.buf, control, 0)
		if err != nil {
			return slices.Clone(s.frames)
		}
		frame := slices.Clone(s.buf[:n])
		if tag := tagIn(control[:oobn]); tag != nil {
			if s.header { // it means the frame without the tag
				vnet.Parse(frame).Shift(len(tag)).Put(frame)
				frame = slices.Insert(frame, vnet.HeaderLen+12, tag...)
			} else {
				frame = slices.Insert(frame, 12, tag...)
			}
		}
		s.frames = append(s.frames, frame)
	}
}

// Await waits until n frames have come, and returns them.
func (s *station) Await(t testing.TB, n int) [][]byte {
	t.Helper()
	bustest.WaitFor(t, fmt.Sprintf("%d frames to come", n), func() bool { return len(s.Received()) >= n })
	return s.Received()
}

// tagIn returns the 4 bytes of the VLAN tag in control messages, or nil.
func tagIn(control []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		if native := binary.NativeEndian; native.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID != 0 {
			tpid, tci := native.Uint16(m.Data[18:]), native.Uint16(m.Data[16:])
			return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tpid), tci)
		}
	}
	return nil
}

// listen listens for TCP in the namespace.
func (h *host) listen(t testing.TB, address string) net.Listener {
	t.Helper()
	var l net.Listener
	h.do(t, func() (err error) { l, err = net.Listen("tcp", address); return err })
	t.Cleanup(func() { l.Close() })
	return l
}
