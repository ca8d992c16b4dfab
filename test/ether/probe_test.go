package ether

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// pair is two hosts on one ethernet: 10.0.0.1 and 10.0.0.2, fd00::1 and
// fd00::2, each at eth0.
type pair struct{ a, b *host }

// address gives a host its addresses, and nothing else to say of itself.
func (h *host) address(n, mtu int) {
	h.t.Helper()
	h.IP(fmt.Sprintf("link set eth0 mtu %d", mtu))
	h.IP(fmt.Sprintf("addr add 10.0.0.%d/24 brd + dev eth0", n))
	h.IP(fmt.Sprintf("addr add fd00::%d/64 dev eth0 nodad", n))
	h.IP("link set eth0 up")
	h.IP("route add 224.0.0.0/4 dev eth0")
	h.In(func() error { // that an address is nobody's is to be known soon
		return os.WriteFile("/proc/sys/net/ipv4/neigh/eth0/retrans_time_ms", []byte("50"), 0)
	})
}

// probe is something that two hosts do, and how that ends.
type probe struct {
	name string
	run  func(p pair, mtu int) string
}

// probes are what the kernel's bridge and ipnfs must both do, or refuse, in
// the same way. A size of s bytes in a ping makes packets of s+28 bytes, with
// IPv6 s+48.
var probes = []probe{
	{"ping", ping("10.0.0.2", "56")},
	{"ping empty", ping("10.0.0.2", "0")},
	{"ping of the mtu", func(p pair, mtu int) string { return ping("10.0.0.2", strconv.Itoa(mtu-28), "-M", "do")(p, mtu) }},
	{"ping over the mtu", func(p pair, mtu int) string {
		return ping("10.0.0.2", strconv.Itoa(mtu-27), "-M", "do", "-W", "0.1")(p, mtu)
	}},
	{"ping in two fragments", func(p pair, mtu int) string { return ping("10.0.0.2", strconv.Itoa(mtu-27))(p, mtu) }},
	{"ping in many fragments", ping("10.0.0.2", "20000")},
	{"ping of the longest packet", ping("10.0.0.2", "65507")},
	{"ping nobody", ping("10.0.0.77", "56")},
	{"ping 6", ping("fd00::2", "56")},
	{"ping 6 of the mtu", func(p pair, mtu int) string { return ping("fd00::2", strconv.Itoa(mtu-48), "-M", "do")(p, mtu) }},
	{"ping 6 over the mtu", func(p pair, mtu int) string {
		return ping("fd00::2", strconv.Itoa(mtu-47), "-M", "do", "-W", "0.1")(p, mtu)
	}},
	{"ping 6 in many fragments", ping("fd00::2", "20000")},
	{"TCP 4", tcp("tcp4", "10.0.0.2")},
	{"TCP 6", tcp("tcp6", "[fd00::2]")},
	{"UDP 4", udp("udp4", "10.0.0.2")},
	{"UDP 6", udp("udp6", "[fd00::2]")},
	{"UDP in one super-frame, 4", uso("udp4", "10.0.0.2")},
	{"UDP in one super-frame, 6", uso("udp6", "[fd00::2]")},
	{"broadcast", groups("10.0.0.255", 5353)},
	{"multicast", groups("224.1.2.3", 5354)},
}

// patience is how many seconds a ping waits for its answer.
var patience = strconv.Itoa(int(harness.Deadline.Seconds()))

// ping sends one echo request and tells how it ends.
func ping(to, size string, options ...string) func(pair, int) string {
	return func(p pair, _ int) string {
		out, err := p.a.Try(append([]string{"ping", "-n", "-c", "1", "-W", patience, "-s", size, to}, options...)...)
		switch {
		case strings.Contains(strings.ToLower(out), "message too long"):
			return "too long"
		case strings.Contains(out, "Unreachable"):
			return "unreachable"
		case err != nil:
			return "lost"
		}
		return "answered"
	}
}

// dial connects from the host.
func (h *host) dial(network, address string) (c net.Conn, err error) {
	err = h.NS.Do(func() (err error) {
		c, err = (&net.Dialer{Deadline: harness.GiveUp(h.t)}).Dial(network, address)
		return err
	})
	if err == nil {
		err = c.SetDeadline(harness.GiveUp(h.t))
	}
	return c, err
}

// tcp carries 2 MiB there and other 2 MiB back at once: some dozens of
// super-frames each way, and 1,500 frames where there are none.
func tcp(network, address string) func(pair, int) string {
	return func(p pair, _ int) string {
		var server net.Listener
		p.b.In(func() (err error) {
			server, err = net.Listen(network, address+":0")
			return err
		})
		defer server.Close()
		there, back := randomBytes(2<<20, 1), randomBytes(2<<20, 2)
		type result struct {
			got []byte
			err error
		}
		served := make(chan result, 1)
		go func() {
			c, err := server.Accept()
			if err != nil {
				served <- result{nil, err}
				return
			}
			got, err := p.b.exchange(c, back)
			served <- result{got, err}
		}()
		c, err := p.a.dial(network, server.Addr().String())
		if err != nil {
			return err.Error()
		}
		got, err := p.a.exchange(c, there)
		other := <-served
		if err := errors.Join(err, other.err); err != nil {
			return err.Error()
		}
		if !bytes.Equal(got, back) || !bytes.Equal(other.got, there) {
			return "other bytes"
		}
		return fmt.Sprintf("%d bytes each way, %x", len(got), sha256.Sum256(got))
	}
}

// exchange sends all bytes and reads to the end, at once.
func (h *host) exchange(c net.Conn, send []byte) (got []byte, err error) {
	defer c.Close()
	_ = c.SetDeadline(harness.GiveUp(h.t))
	var sender sync.WaitGroup
	var sendErr error
	sender.Go(func() {
		_, sendErr = c.Write(send)
		sendErr = errors.Join(sendErr, c.(*net.TCPConn).CloseWrite())
	})
	got, err = io.ReadAll(c)
	sender.Wait()
	return got, errors.Join(err, sendErr)
}

func randomBytes(n int, seed uint64) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// listenUDP opens a socket of the host at a port of its own.
func (h *host) listenUDP(network, address string) *net.UDPConn {
	h.t.Helper()
	var c net.PacketConn
	h.In(func() (err error) {
		c, err = net.ListenPacket(network, address+":0")
		return err
	})
	_ = c.(*net.UDPConn).SetReadBuffer(4 << 20)
	_ = c.SetDeadline(time.Now().Add(harness.Deadline)) // what is lost does not come later
	return c.(*net.UDPConn)
}

// udp sends datagrams of many sizes, each when the one before came back.
func udp(network, address string) func(pair, int) string {
	return func(p pair, mtu int) string {
		server := p.b.listenUDP(network, address)
		defer server.Close()
		go func() {
			buf := make([]byte, 1<<16)
			for {
				n, from, err := server.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = server.WriteTo(buf[:n], from)
			}
		}()
		c, err := p.a.dial(network, server.LocalAddr().String())
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		count := 0
		buf := make([]byte, 1<<16)
		for _, size := range []int{0, 1, 2, 17, 18, 19, 100, mtu - 49, mtu - 48, mtu - 47, mtu - 29, mtu - 28, mtu - 27, 2 * mtu, 30000, 65000} {
			data := randomBytes(size, uint64(size))
			if _, err := c.Write(data); err != nil {
				return fmt.Sprintf("%d bytes: %v", size, err)
			}
			n, err := c.Read(buf)
			if err != nil {
				return fmt.Sprintf("%d bytes: %v", size, err)
			}
			if !bytes.Equal(buf[:n], data) {
				return fmt.Sprintf("%d bytes came back as %d others", size, n)
			}
			count++
		}
		return fmt.Sprintf("%d datagrams came back", count)
	}
}

// uso sends many datagrams in one call, for the kernel or the device to cut
// (UDP_SEGMENT, udp(7)).
func uso(network, address string) func(pair, int) string {
	return func(p pair, _ int) string {
		server := p.b.listenUDP(network, address)
		defer server.Close()
		var c net.Conn
		err := p.a.NS.Do(func() (err error) {
			d := net.Dialer{ControlContext: func(_ context.Context, _, _ string, raw syscall.RawConn) (err error) {
				ctlErr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
				return errors.Join(ctlErr, err)
			}}
			c, err = d.Dial(network, server.LocalAddr().String())
			return err
		})
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		data := randomBytes(60_500, 3)
		if _, err := c.Write(data); err != nil {
			return err.Error()
		}
		var got []byte
		count := 0
		for buf := make([]byte, 1<<16); len(got) < len(data); count++ {
			n, err := server.Read(buf)
			if err != nil {
				return fmt.Sprintf("%d bytes came: %v", len(got), err)
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, data) {
			return "other bytes"
		}
		return fmt.Sprintf("%d datagrams", count)
	}
}

// groups sends a datagram to an address of many.
func groups(to string, port int) func(pair, int) string {
	return func(p pair, _ int) string {
		var server net.PacketConn
		err := p.b.NS.Do(func() (err error) {
			if ip := net.ParseIP(to); ip.IsMulticast() {
				i, err := net.InterfaceByName("eth0")
				if err != nil {
					return err
				}
				server, err = net.ListenMulticastUDP("udp4", i, &net.UDPAddr{IP: ip, Port: port})
				return err
			}
			server, err = net.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", port))
			return err
		})
		if err != nil {
			return err.Error()
		}
		defer server.Close()
		_ = server.SetDeadline(time.Now().Add(harness.Deadline))
		c, err := p.a.dial("udp4", fmt.Sprintf("%s:%d", to, port))
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		if _, err := c.Write([]byte("to all")); err != nil {
			return err.Error()
		}
		buf := make([]byte, 100)
		n, from, err := server.ReadFrom(buf)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%q from %s", buf[:n], from.(*net.UDPAddr).IP)
	}
}
