package vnet_test

import (
	"encoding/binary"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus/vnet"
	"ipnfs/test/harness"
)

// host is a network namespace without a name. It ends with the test and with
// what was made in it.
type host struct{ work chan func() }

// newHost makes one. It ends the test if it may not.
func newHost(t *testing.T) *host {
	t.Helper()
	harness.NeedRoot(t)
	h, ready := &host{make(chan func())}, make(chan error)
	go func() {
		// Never unlocked, so that the thread, which has left the namespace of
		// the others, ends with the goroutine.
		runtime.LockOSThread()
		ready <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range h.work {
			f()
		}
	}()
	t.Cleanup(func() { close(h.work) })
	if err := <-ready; err != nil {
		harness.Missing(t, "the right to make a network namespace: "+err.Error())
	}
	return h
}

// do runs f in the namespace. Sockets stay in the one where they were made.
func (h *host) do(t *testing.T, f func() error) {
	t.Helper()
	result := make(chan error)
	h.work <- func() { result <- f() }
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// tap makes a tap interface with the addresses, up, and returns its open end
// and index. Offloads are TUN_F flags; with -1, frames come finished and
// without a virtio-net header.
func (h *host) tap(t *testing.T, name string, offloads int, addresses ...string) (f *os.File, index int) {
	t.Helper()
	var missing error
	h.do(t, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			missing = err
			return nil
		}
		defer func() { // not earlier: it can be polled when it is attached
			f = os.NewFile(uintptr(fd), name)
		}()
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		flags := uint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if offloads >= 0 {
			flags |= unix.IFF_VNET_HDR
		}
		req.SetUint16(flags)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			return os.NewSyscallError("TUNSETIFF", err)
		}
		if offloads >= 0 {
			if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); err != nil {
				return os.NewSyscallError("TUNSETOFFLOAD", err)
			}
		}
		index, err = setUp(name, addresses)
		return err
	})
	if missing != nil {
		harness.Missing(t, "/dev/net/tun: "+missing.Error())
	}
	t.Cleanup(func() { f.Close() })
	return f, index
}

// setUp sets an interface of this thread's namespace up.
func setUp(name string, addresses []string) (index int, err error) {
	n, err := netlink.NewHandle()
	if err != nil {
		return 0, err
	}
	defer n.Close()
	link, err := n.LinkByName(name)
	if err != nil {
		return 0, err
	}
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return 0, err
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := n.AddrAdd(link, addr); err != nil {
			return 0, err
		}
	}
	if len(addresses) == 0 { // nobody is to talk on it but the test
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0); err != nil {
			return 0, err
		}
		// What a super-frame becomes waits here at once.
		if err := n.LinkSetTxQLen(link, 65536); err != nil {
			return 0, err
		}
		if err := n.LinkSetMTU(link, 65521); err != nil {
			return 0, err
		}
	}
	return link.Attrs().Index, n.LinkSetUp(link)
}

// kernel lets Linux finish frames: what is sent by a packet socket on an
// interface without offloads comes out of it as software made it.
type kernel struct {
	socket int      // PACKET_VNET_HDR
	tap    *os.File // without
	in     *os.File // a tap with virtio-net headers
	mark   uint32
}

func newKernel(t *testing.T) *kernel {
	t.Helper()
	h := newHost(t)
	k := &kernel{}
	var index int
	k.tap, index = h.tap(t, "vnet-out", -1)
	k.in, _ = h.tap(t, "vnet-in", 0)
	h.do(t, func() (err error) {
		if k.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(k.socket, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
			return err
		}
		return unix.Bind(k.socket, &unix.SockaddrLinklayer{Ifindex: index})
	})
	t.Cleanup(func() { unix.Close(k.socket) })
	return k
}

// finish is what Linux makes of the frame: an error if it takes it not, and
// no frames if it drops it.
func (k *kernel) finish(t *testing.T, h vnet.Header, frame []byte) ([][]byte, error) {
	t.Helper()
	if err := k.send(h, frame); err != nil {
		return nil, err
	}
	// The interface has one queue, so what comes before the mark is it.
	k.mark++
	mark := binary.BigEndian.AppendUint32([]byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5"), k.mark)
	if err := k.send(vnet.Header{}, mark); err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	buf := make([]byte, 1<<17)
	if err := k.tap.SetReadDeadline(time.Now().Add(harness.Deadline)); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := k.tap.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if string(buf[:n]) == string(mark) {
			return out, nil
		}
		out = append(out, append([]byte(nil), buf[:n]...))
	}
}

func (k *kernel) send(h vnet.Header, frame []byte) error {
	var raw [vnet.HeaderLen]byte
	h.Put(raw[:])
	_, err := unix.SendmsgBuffers(k.socket, [][]byte{raw[:], frame}, nil, nil, 0)
	return err
}

// receive lets the frame come in by a tap.
func (k *kernel) receive(h vnet.Header, frame []byte) error {
	b := make([]byte, vnet.HeaderLen, vnet.HeaderLen+len(frame))
	h.Put(b)
	_, err := k.in.Write(append(b, frame...))
	return err
}
