package hostile

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// onHosts are attacks by the host of a namespace at a veth, as root made it. What he may
// send is frames, from many threads, as fast as his kernel lets him.
var onHosts = []attack{
	{
		name: "veth-unknown", // each frame is for the daemon: to and from an address that nobody knows
		around: func(r *trial, m *harness.Mounted) func() {
			return floodHosts(r, m, func(n uint32, f []byte) {
				binary.BigEndian.PutUint32(f[2:], n*2654435761)
				binary.BigEndian.PutUint32(f[8:], n)
			})
		},
		setup: func(*attacker) {},
	},
	{
		name: "veth-moves", // the addresses of others, and its own
		around: func(r *trial, m *harness.Mounted) func() {
			return floodHosts(r, m, func(n uint32, f []byte) {
				f[5], f[11] = byte(n%3), byte(n%2)
			})
		},
		setup: func(*attacker) {},
	},
	{
		name: "veth-broadcast", // and known addresses between: the order of the two is kept
		around: func(r *trial, m *harness.Mounted) func() {
			return floodHosts(r, m, func(n uint32, f []byte) {
				if copy(f, "\x02\x00\x00\x00\x00\x01"); n%2 == 0 {
					copy(f, everybody)
				}
			})
		},
		setup: func(*attacker) {},
	},
	{
		name: "veth-known", // the kernel forwards each
		around: func(r *trial, m *harness.Mounted) func() {
			return floodHosts(r, m, func(uint32, []byte) {})
		},
		setup: func(*attacker) {},
	},
}

// floodHosts makes a network with three hosts, the last of whose addresses are known, and
// lets the first flood: next makes the n-th of a thread's frames, which is at first from its
// own address to the second's. It returns what ends that.
func floodHosts(r *trial, m *harness.Mounted, next func(n uint32, f []byte)) (end func()) {
	dir := m.Network(r, "hosts")
	harness.Set(r, "switch", dir, "policy")
	hosts := make([]*harness.Host, 3)
	for i := range hosts {
		h := harness.NewHost(r)
		if err := h.Echo("eth0 up mac=02:00:00:00:00:0"+string(rune('0'+i)), dir+"/veth"); err != nil {
			r.Fatal(err)
		}
		hosts[i] = h
	}
	m.Rebase(r) // with what the daemon opens for the first veth
	send := func(h *harness.Host, f []byte) (fd int) {
		h.In(func() error {
			i, err := net.InterfaceByName("eth0")
			if err == nil {
				fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			}
			if err == nil {
				err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index})
			}
			if err == nil {
				_, err = unix.Write(fd, f)
			}
			return err
		})
		return fd
	}
	own := func(i byte) []byte {
		return []byte(everybody + "\x02\x00\x00\x00\x00" + string([]byte{i}) + "\x88\xb5")
	}
	for i, h := range hosts {
		unix.Close(send(h, append(own(byte(i)), make([]byte, 46)...)))
	}
	var stop atomic.Bool
	var work sync.WaitGroup
	for range 2 {
		f := append(own(0), make([]byte, 46)...)
		fd := send(hosts[0], f)
		copy(f, "\x02\x00\x00\x00\x00\x01")
		work.Go(func() {
			defer unix.Close(fd)
			for n := uint32(0); !stop.Load(); n++ {
				next(n, f)
				_, _ = unix.Write(fd, f)
			}
		})
	}
	return func() {
		stop.Store(true)
		work.Wait()
	}
}
