package ether

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// etherType of the tests' own frames: for local experiments.
const etherType = 0x88b5

// toAll is the broadcast address.
var toAll = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// frame makes a broadcast from the n-th station, with VLAN tags (TPID<<16 |
// TCI), the outer one first.
func frame(n byte, body string, tags ...uint32) []byte {
	f := append(slices.Clone(toAll), 2, 0, 0, 0, 0x77, n)
	for _, t := range tags {
		f = binary.BigEndian.AppendUint32(f, t)
	}
	f = binary.BigEndian.AppendUint16(f, etherType)
	f = append(f, body...)
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// door is what frames go into and come out of.
type door interface {
	send(f []byte)
	// came returns the tests' own frames with a body that came so far, whole.
	came(body string) [][]byte
	// twice names a body that came more than once, if there is one.
	twice() string
}

// box keeps the tests' own frames by what stands behind their addresses, tags
// and type.
type box struct {
	mu     sync.Mutex
	frames map[string][][]byte
	second string
}

// put keeps a frame if it is one of the tests' own.
func (b *box) put(f []byte) {
	at := bytes.Index(f, []byte{etherType >> 8, etherType & 0xff})
	if at < 12 || !bytes.Equal(f[6:11], []byte{2, 0, 0, 0, 0x77}) {
		return
	}
	body := string(bytes.TrimRight(f[at+2:], "\x00"))
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.frames == nil {
		b.frames = map[string][][]byte{}
	}
	if len(b.frames[body]) > 0 && b.second == "" {
		b.second = body
	}
	if len(b.frames[body]) < 10 { // a storm must not fill the memory
		b.frames[body] = append(b.frames[body], f)
	}
}

func (b *box) came(body string) [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.frames[body])
}

func (b *box) twice() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.second
}

// wire is an interface, seen through a packet socket: what the kernel receives
// there, and sends.
type wire struct {
	box
	t    *testing.T
	file *os.File
}

// wire opens a packet socket on an interface of the namespace.
func (h *host) wire(name string) *wire {
	h.t.Helper()
	w := &wire{t: h.t}
	h.In(func() error {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		w.file = os.NewFile(uintptr(fd), name)
		for _, option := range []int{unix.PACKET_AUXDATA, unix.PACKET_IGNORE_OUTGOING} {
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1); err != nil {
				return err
			}
		}
		all := uint16(unix.ETH_P_ALL)
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: i.Index})
	})
	var reader sync.WaitGroup
	reader.Go(w.read)
	h.t.Cleanup(func() {
		w.file.Close()
		reader.Wait()
	})
	return w
}

// read takes frames until the socket is closed.
func (w *wire) read() {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	buf, control := make([]byte, 1<<17), make([]byte, 256)
	for {
		var f []byte
		done := false
		err := raw.Read(func(fd uintptr) bool {
			n, oobn, _, _, err := unix.Recvmsg(int(fd), buf, control, 0)
			if errors.Is(err, unix.EAGAIN) {
				return false
			}
			done = err != nil && !errors.Is(err, unix.ENETDOWN)
			if err == nil {
				f = withTag(bytes.Clone(buf[:n]), control[:oobn])
			}
			return true
		})
		if err != nil || done {
			return
		}
		w.put(f)
	}
}

// withTag puts the tag back that the kernel has taken out (packet(7),
// PACKET_AUXDATA).
func withTag(f, control []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return f
	}
	for _, m := range messages {
		if m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < int(unsafe.Sizeof(unix.TpacketAuxdata{})) {
			continue
		}
		aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0]))
		if aux.Status&unix.TP_STATUS_VLAN_VALID == 0 || len(f) < 12 {
			continue
		}
		tpid := uint16(0x8100)
		if aux.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = aux.Vlan_tpid
		}
		tag := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tpid), aux.Vlan_tci)
		f = slices.Concat(f[:12], tag, f[12:])
	}
	return f
}

// send sends a frame out of the interface.
func (w *wire) send(f []byte) {
	w.t.Helper()
	if _, err := w.file.Write(f); err != nil {
		w.t.Fatalf("sending by a packet socket: %v", err)
	}
}

// file is a port that is a file.
type file struct {
	box
	t *testing.T
	f *os.File
}

// open opens a port of a network.
func (l *lab) open(network string) *os.File {
	l.t.Helper()
	fd, err := unix.Open(l.Path(network, "port"), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "port")
}

// openPort opens a port of a network and reads it until the test ends.
func (l *lab) openPort(network string) *file {
	l.t.Helper()
	p := &file{t: l.t, f: l.open(network)}
	var reader sync.WaitGroup
	reader.Go(func() {
		buf := make([]byte, 1<<17)
		for {
			n, err := p.f.Read(buf)
			if err != nil {
				return
			}
			p.put(bytes.Clone(buf[:n]))
		}
	})
	l.t.Cleanup(func() {
		p.f.Close()
		reader.Wait()
	})
	return p
}

func (p *file) send(f []byte) {
	p.t.Helper()
	if _, err := p.f.Write(f); err != nil {
		p.t.Fatalf("writing to a port: %v", err)
	}
}

// await waits until a body came to a door, and returns the frame.
func await(t *testing.T, what string, d door, body string) []byte {
	t.Helper()
	harness.Eventually(t, what, func() bool { return len(d.came(body)) > 0 })
	return d.came(body)[0]
}
