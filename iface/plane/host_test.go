package plane

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus/vnet"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// need returns the plane, or skips the test, unless IPNFS_TEST_REQUIRE asks to fail.
func need(tb testing.TB) *Plane {
	tb.Helper()
	nstest.NeedRoot(tb)
	p, err := Load()
	if err == nil {
		return p
	}
	if os.Getenv("IPNFS_TEST_REQUIRE") != "" {
		tb.Fatal(err)
	}
	tb.Skip(err)
	return nil
}

// host is a namespace with an interface that is a port's, and a packet socket there.
type host struct {
	tb     testing.TB
	plane  *Plane
	name   string
	ns     *netns.NS
	port   *Port
	mac    [6]byte
	packet *os.File
}

// macs tells the hosts of a test apart.
var macs byte

// newHost makes one whose interface is up.
func newHost(tb testing.TB) *host {
	tb.Helper()
	h := &host{tb: tb, plane: need(tb)}
	h.name, h.ns = nstest.New(tb)
	var err error
	if h.port, err = h.plane.NewPort(h.ns, "eth0"); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(h.port.Close)
	macs++
	h.mac = [6]byte{2, 0, 0, 0, 0, macs}
	nstest.Change(tb, h.ns, "eth0", func(l netlink.Link) error {
		// So the host's own stack is silent.
		if err := netlink.LinkSetIP6AddrGenMode(l, 1); err != nil {
			return err
		}
		if err := netlink.LinkSetHardwareAddr(l, h.mac[:]); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		h.packet = os.NewFile(uintptr(fd), "packet")
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return err
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
		all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: l.Attrs().Index})
	})
	tb.Cleanup(func() { h.packet.Close() })
	h.waitUp()
	return h
}

// waitUp waits until both ends of the pair take frames, which the kernel brings about some
// time after they are set up.
func (h *host) waitUp() {
	h.tb.Helper()
	up := func(ns *netns.NS, find func() (netlink.Link, error)) bool {
		var state netlink.LinkOperState
		nstest.In(h.tb, ns, func() error {
			l, err := find()
			if err == nil {
				state = l.Attrs().OperState
			}
			return err
		})
		return state == netlink.OperUp
	}
	nstest.Wait(h.tb, "the pair to work", func() bool {
		return up(h.plane.ns, func() (netlink.Link, error) { return netlink.LinkByIndex(h.port.Index()) }) &&
			up(h.ns, func() (netlink.Link, error) { return netlink.LinkByName("eth0") })
	})
}

// know puts the host into the table, and its port in force.
func (h *host) know(vlan uint16, s Settings, tagged bool) {
	h.tb.Helper()
	mark := h.port.Mark()
	h.port.Set(mark, s)
	key := h.key(s.Network, vlan)
	if err := h.plane.Put([]Key{key}, []Entry{{h.port.Slot(), mark, tagged}}); err != nil {
		h.tb.Fatal(err)
	}
	h.tb.Cleanup(func() { h.plane.Delete([]Key{key}) })
}

func (h *host) key(network uint32, vlan uint16) Key { return Key{network, vlan, h.mac} }

// frame makes a frame to another host, with what follows the addresses.
func (h *host) frame(to [6]byte, rest ...byte) []byte {
	b := append(append(append([]byte{}, to[:]...), h.mac[:]...), rest...)
	return append(b, make([]byte, max(0, 60-len(b)))...)
}

// send sends a frame.
func (h *host) send(frame []byte) {
	h.tb.Helper()
	h.packet.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := h.packet.Write(frame); err != nil {
		h.tb.Fatal(err)
	}
}

// receive returns the next frame that comes to the host, with its tag, or nil after a
// while.
func (h *host) receive(patience time.Duration) (frame []byte) {
	h.tb.Helper()
	h.packet.SetReadDeadline(time.Now().Add(patience))
	conn, err := h.packet.SyscallConn()
	if err != nil {
		h.tb.Fatal(err)
	}
	buf, control := make([]byte, 70000), make([]byte, 256)
	var n, cn int
	var result error
	err = conn.Read(func(fd uintptr) bool {
		n, cn, _, _, result = unix.Recvmsg(int(fd), buf, control, 0)
		return result != unix.EAGAIN
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err = errors.Join(err, result); err != nil {
		h.tb.Fatal(err)
	}
	frame = buf[:n]
	messages, _ := unix.ParseSocketControlMessage(control[:cn])
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		const statusVLAN, statusTPID = unix.TP_STATUS_VLAN_VALID, unix.TP_STATUS_VLAN_TPID_VALID
		if status := binary.NativeEndian.Uint32(m.Data); status&statusVLAN != 0 {
			tpid := uint16(0x8100)
			if status&statusTPID != 0 {
				tpid = binary.NativeEndian.Uint16(m.Data[18:])
			}
			tag := binary.BigEndian.AppendUint16(nil, tpid)
			tag = binary.BigEndian.AppendUint16(tag, binary.NativeEndian.Uint16(m.Data[16:]))
			frame = append(append(append([]byte{}, frame[:12]...), tag...), frame[12:]...)
		}
	}
	return frame
}

// punted returns the next frame that the process gets of the port, without its
// virtio-net header, or nil if there is none now.
func (h *host) punted() []byte {
	h.tb.Helper()
	buf := make([]byte, 70000)
	n, err := unix.Read(h.port.Tap(), buf)
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	if err != nil {
		h.tb.Fatal(err)
	}
	return buf[vnet.HeaderLen:n]
}

// write sends a frame of the process to the host.
func (h *host) write(frame []byte) {
	h.tb.Helper()
	if _, err := unix.Write(h.port.Tap(), append(make([]byte, vnet.HeaderLen), frame...)); err != nil {
		h.tb.Fatal(err)
	}
}

// wantCounts waits until the port has them.
func (h *host) wantCounts(want Counts) {
	h.tb.Helper()
	var got Counts
	defer func() {
		if h.tb.Failed() {
			h.tb.Logf("counted %+v", got)
		}
	}()
	nstest.Wait(h.tb, "the counters", func() bool {
		got = h.port.Counts()
		return got == want
	})
}
