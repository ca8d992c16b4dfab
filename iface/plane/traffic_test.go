package plane

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus/vnet"
	"ipnfs/iface/nstest"
)

// Tags on the wire: what leaves by a port has that of the port, or none.
func TestWire(t *testing.T) {
	a, b := newHost(t), newHost(t)
	network := a.plane.NewNetwork()
	defer a.plane.FreeNetwork(network)
	plain := a.frame(b.mac, 8, 0, 0x45)
	in := func(tags ...byte) []byte {
		return append(append(append([]byte{}, plain[:12]...), tags...), plain[12:]...)
	}
	for _, c := range []struct {
		name   string
		a, b   Settings
		tagged bool
		sent   []byte
		want   []byte
	}{
		{"without VLANs", Settings{}, Settings{}, false, in(0x81, 0, 0xe0, 9), in(0x81, 0, 0xe0, 9)},
		{"untagged", vlans(5, 0x8100), vlans(5, 0x8100), false, plain, plain},
		{"put on", vlans(5, 0x8100), vlans(0, 0x8100), true, plain, in(0x81, 0, 0, 5)},
		{"taken off", vlans(0, 0x8100), vlans(5, 0x8100), false, in(0x81, 0, 0x60, 5), plain},
		{"as it is", vlans(0, 0x8100), vlans(0, 0x8100), true, in(0x81, 0, 0x60, 5), in(0x81, 0, 0x60, 5)},
		{"another protocol", vlans(0, 0x8100), vlans(0, 0x88a8), true, in(0x81, 0, 0x60, 5), in(0x88, 0xa8, 0x60, 5)},
		{"put around", vlans(5, 0x88a8), vlans(0, 0x88a8), true, in(0x81, 0, 0x60, 9), in(0x88, 0xa8, 0, 5, 0x81, 0, 0x60, 9)},
		{"taken from around", vlans(0, 0x88a8), vlans(5, 0x88a8), false, in(0x88, 0xa8, 0, 5, 0x81, 0, 0x60, 9), in(0x81, 0, 0x60, 9)},
	} {
		a.port.Revoke()
		b.port.Revoke()
		vlan := uint16(0)
		if c.a.VLANs {
			vlan = 5
		}
		c.a.Network, c.b.Network = network, network
		a.know(vlan, c.a, false)
		b.know(vlan, c.b, c.tagged)
		a.send(c.sent)
		if got := b.receive(long); !bytes.Equal(got, c.want) {
			t.Errorf("%s: received % x, want % x", c.name, got, c.want)
		}
	}
}

// TCP between hosts goes by super-frames, and arrives whole.
func TestSuperFrames(t *testing.T) {
	a, b := newPair(t)
	a.port.SetLimits(1514, 1514)
	b.port.SetLimits(1514, 1514)
	for i, h := range []*host{a, b} {
		nstest.Change(t, h.ns, "eth0", func(l netlink.Link) error {
			addr := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 0, 0, byte(i+1)), Mask: net.CIDRMask(24, 32)}}
			if err := netlink.AddrAdd(l, addr); err != nil {
				return err
			}
			other := []*host{b, a}[i]
			return netlink.NeighAdd(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT,
				IP: net.IPv4(10, 0, 0, byte(2-i)), HardwareAddr: other.mac[:]})
		})
	}
	var listener net.Listener
	nstest.In(t, b.ns, func() (err error) {
		listener, err = net.Listen("tcp", "10.0.0.2:0")
		return err
	})
	defer listener.Close()
	data := bytes.Repeat([]byte("super-frames "), 1<<20)
	sent := make(chan error, 1)
	go func() {
		sent <- a.ns.Do(func() error {
			c, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write(data)
			return err
		})
	}()
	c, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data) {
		t.Errorf("received %d bytes, %v", len(got), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	counts := a.port.Counts()
	if counts.InBytes < uint64(len(data)) || counts.InBytes/counts.In < 2*1514 {
		t.Errorf("counted %+v", counts)
	}
	if got := a.port.order.punted.Load() + b.port.order.punted.Load(); got != 0 {
		t.Errorf("%d frames were punted", got)
	}
}

// A super-frame that is punted comes to the process whole, with a header that says so.
func TestSuperFramePunted(t *testing.T) {
	a := newHost(t)
	nstest.In(t, a.ns, func() error {
		conn, err := a.packet.SyscallConn()
		if err != nil {
			return err
		}
		var result error
		err = conn.Control(func(fd uintptr) {
			result = unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1)
		})
		if err != nil {
			return err
		}
		return result
	})
	frame := append(a.frame([6]byte{2}), make([]byte, 3000)...)[:14+20+20+2000]
	copy(frame[12:], []byte{8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protoTCP})
	binary.BigEndian.PutUint16(frame[16:], 2040)
	frame[14+20+12] = 5 << 4
	// struct virtio_net_hdr: a checksum is needed, TCP over IPv4, headers, segments of 1000.
	header := []byte{1, 1, 54, 0, 0xe8, 3, 34, 0, 16, 0}
	a.send(append(header, frame...))
	buf := make([]byte, 4096)
	var n int
	nstest.Wait(t, "the super-frame", func() (done bool) {
		var err error
		n, err = unix.Read(a.port.Tap(), buf)
		return err == nil
	})
	if n != vnet.HeaderLen+len(frame) || buf[1] != 1 || binary.LittleEndian.Uint16(buf[4:]) != 1000 {
		t.Errorf("the process got %d bytes, % x", n, buf[:vnet.HeaderLen])
	}
	if punted := a.port.order.punted.Load(); punted != 1 {
		t.Errorf("%d frames were punted", punted)
	}
}
