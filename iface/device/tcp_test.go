package device

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// observer takes all frames and looks at them: at those that are to be cut if
// it takes such, else whether all are complete.
type observer struct {
	bustest.Sink
	mu      sync.Mutex
	frames  int
	super   int    // that are to be cut
	longest int    // in bytes
	wrong   string // what was not complete
}

// Claim takes all.
func (*observer) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Emit looks.
func (o *observer) Emit(b *frame.Batch, i, j int, _ uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k := i; k < j; k++ {
		f := &b.Frames[k]
		o.frames++
		o.longest = max(o.longest, f.Len())
		if h, unfinished := f.Offload(); unfinished {
			if h.GSOType != vnet.None {
				o.super++
			}
			continue
		}
		if err := checkSum(f.Data()); err != nil && o.wrong == "" {
			o.wrong = err.Error()
		}
	}
}

// checkSum verifies the checksum of TCP in a frame, if it has one.
func checkSum(frame []byte) error {
	if len(frame) < 14+40 {
		return nil
	}
	ip, proto, at, addresses := frame[14:], byte(0), 20, []byte(nil)
	n := 0
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		n, proto, addresses = int(binary.BigEndian.Uint16(ip[2:])), ip[9], ip[12:20]
	case 0x86dd:
		n, proto, at, addresses = 40+int(binary.BigEndian.Uint16(ip[4:])), ip[6], 40, ip[8:40]
	}
	if proto != 6 {
		return nil
	}
	if n > len(ip) || n < at {
		return fmt.Errorf("a packet of %d bytes in a frame of %d", n, len(frame))
	}
	sum := uint32(6 + n - at)
	for _, b := range [][]byte{addresses, ip[at:n]} {
		for i, c := range b {
			sum += uint32(c) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	if sum != 0xffff {
		return fmt.Errorf("a wrong checksum in a packet of %d bytes", n)
	}
	return nil
}

// carry carries data by TCP to an address of a host and back.
func carry(t *testing.T, from, to *host, address string, data []byte) {
	t.Helper()
	l := to.listen(t, net.JoinHostPort(address, "5201"))
	echo := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			_ = conn.SetDeadline(harness.GiveUp(t))
			var got []byte
			if got, err = io.ReadAll(io.LimitReader(conn, int64(len(data)))); err == nil && !bytes.Equal(got, data) {
				err = fmt.Errorf("%d bytes came, %d were sent, or they are others", len(got), len(data))
			}
			if err == nil {
				_, err = conn.Write(got)
			}
		}
		echo <- err
	}()
	from.do(t, func() error {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(harness.GiveUp(t))
		if _, err := conn.Write(data); err != nil {
			return err
		}
		got, err := io.ReadAll(io.LimitReader(conn, int64(len(data))))
		if err == nil && !bytes.Equal(got, data) {
			err = fmt.Errorf("%d bytes came back, %d were sent, or they are others", len(got), len(data))
		}
		return err
	})
	if err := <-echo; err != nil {
		t.Error(err)
	}
}

// Two hosts talk TCP through the network. Their kernels leave the cutting to
// each other: super-frames cross, and only who cannot take them gets frames.
func TestTCP(t *testing.T) {
	data := make([]byte, 8<<20)
	random := rand.New(rand.NewPCG(7, 8))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	withAndWithoutRing(t, func(t *testing.T) {
		for what, overflow := range map[string]bus.Overflow{"lossy": bus.DropNew, "lossless": bus.BlockSender} {
			l := lanetest.Hub(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.Overflow = overflow }); err != nil {
				t.Fatal(err)
			}
			a, b := newHost(t), newHost(t)
			fdsA, _ := a.tap(t, "dvt0", 1, "10.77.0.1/24", "fd77::1/64")
			fdsB, _ := b.tap(t, "dvt0", 1, "10.77.0.2/24", "fd77::2/64")
			da := startTap(t, l, Config{Fds: fdsA, MTU: 1500})
			db := startTap(t, l, Config{Fds: fdsB, MTU: 1500})
			whole, cut := &observer{}, &observer{}
			l.JoinAs(t, whole, bus.JoinOptions{Recv: true, Offload: true})
			l.JoinAs(t, cut, bus.JoinOptions{Recv: true, MaxLen: 1518})
			carry(t, a, b, "10.77.0.2", data)
			carry(t, a, b, "fd77::2", data)
			da.Close()
			db.Close()
			if overflow == bus.DropNew && (whole.super < 100 || whole.longest < 20000) {
				t.Errorf("%s: of %d frames %d are to be cut, the longest has %d bytes: the kernels did not use super-frames", what, whole.frames, whole.super, whole.longest)
			}
			if overflow == bus.BlockSender && whole.super > 0 {
				t.Errorf("%s: %d super-frames came where frames are counted", what, whole.super)
			}
			if cut.super > 0 || cut.longest > 1514 || cut.wrong != "" || cut.frames < 4*len(data)/1514 {
				t.Errorf("%s: who takes no super-frames got %d frames, %d to be cut, the longest of %d bytes, and %q", what, cut.frames, cut.super, cut.longest, cut.wrong)
			}
			stats := l.Net.Stats()
			if err := bustest.CheckBalance(stats); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			for _, name := range []string{"malformed", "device", "too_long"} {
				if n := drop(l.Net, name); n != 0 {
					t.Errorf("%s: %d frames are dropped as %s", what, n, name)
				}
			}
		}
	})
}

// drop is how many frames of a network were dropped for a reason.
func drop(n *bus.Network, reason string) uint64 {
	stats := n.Stats()
	for _, s := range stats.List() {
		if s.Name == "drop_"+reason {
			return s.Value
		}
	}
	panic("no such reason: " + reason)
}

// Four connections at once, over taps with several queues.
func TestTCPStreams(t *testing.T) {
	l := lanetest.Hub(t)
	a, b := newHost(t), newHost(t)
	fdsA, _ := a.tap(t, "dvt0", 2, "10.77.0.1/24")
	fdsB, _ := b.tap(t, "dvt0", 2, "10.77.0.2/24")
	startTap(t, l, Config{Fds: fdsA})
	startTap(t, l, Config{Fds: fdsB})
	data := make([]byte, 4<<20)
	for i := range data {
		data[i] = byte(i * i >> 8)
	}
	var all sync.WaitGroup
	for k := range 4 {
		from, to, address := a, b, "10.77.0.2"
		if k%2 == 1 {
			from, to, address = b, a, "10.77.0.1"
		}
		all.Go(func() {
			listener := to.listen(t, address+":0")
			result := make(chan error, 1)
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					result <- err
					return
				}
				defer conn.Close()
				_ = conn.SetDeadline(harness.GiveUp(t))
				got, err := io.ReadAll(conn)
				if err == nil && !bytes.Equal(got, data) {
					err = fmt.Errorf("%d bytes came, or others than the %d", len(got), len(data))
				}
				result <- err
			}()
			err := from.ns.Do(func() error {
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					return err
				}
				defer conn.Close()
				_, err = conn.Write(data)
				return err
			})
			if err != nil {
				t.Error(err)
				listener.Close()
			}
			if err := <-result; err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := drop(l.Net, "malformed"); n != 0 {
		t.Errorf("%d frames of the kernels' are malformed", n)
	}
}
