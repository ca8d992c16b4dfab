package vhost

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Where things are in a front end's memory: two rings, then places for frames.
const (
	memorySize = 32 << 20
	ringSpace  = 1 << 20
	descAt     = 0
	availAt    = 1 << 19
	usedAt     = availAt + 1<<17
	placesAt   = 2 * ringSpace

	guestBase = 1 << 32
	userBase  = 1 << 40
)

// front is a front end and the driver in its guest.
type front struct {
	tb       testing.TB
	fd       int // its end of the connection
	near     int // the other
	memfd    int
	pipe     int // of makePipe
	memory   []byte
	features uint64
	place    int // bytes of a place for a frame

	rx, tx guestRing

	served   chan error // what serve returned
	left     atomic.Int64
	told     atomic.Pointer[error] // the last error that was told
	mu       sync.Mutex
	received [][]byte // with headers
	buf      []byte
}

// newFront makes a front end that has said nothing yet, until the test ends.
func newFront(tb testing.TB) *front {
	tb.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	_ = unix.SetNonblock(p[1], false)
	_ = unix.SetsockoptTimeval(p[1], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20})
	f := &front{tb: tb, fd: p[1], near: p[0], served: make(chan error, 1), place: 2048, buf: make([]byte, 1<<20)}
	f.memfd, err = unix.MemfdCreate("guest", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		tb.Fatal(err)
	}
	if err := unix.Ftruncate(f.memfd, memorySize); err != nil {
		tb.Fatal(err)
	}
	if f.memory, err = unix.Mmap(f.memfd, 0, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		tb.Fatal(err)
	}
	f.rx = guestRing{f: f, index: rxQueue, at: 0, size: 256}
	f.tx = guestRing{f: f, index: txQueue, at: ringSpace, size: 256}
	for _, r := range []*guestRing{&f.rx, &f.tx} {
		for _, fd := range []*int{&r.kick, &r.call} {
			if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
				tb.Fatal(err)
			}
		}
	}
	tb.Cleanup(func() {
		for _, fd := range []int{f.fd, f.memfd, f.rx.kick, f.rx.call, f.tx.kick, f.tx.call} {
			unix.Close(fd)
		}
		_ = unix.Munmap(f.memory)
	})
	return f
}

// visit has it connected to a network.
func (f *front) visit(n *bus.Network, o bus.JoinOptions) {
	v := &bus.Visitor{Network: n, FD: f.near, Recv: o.Recv, Send: o.Send}
	v.Left = func() { f.left.Add(1) }
	v.Tell = func(err error) { f.told.Store(&err) }
	go func() { f.served <- serve(v) }()
}

var both = bus.JoinOptions{Recv: true, Send: true}

// usual are what a Linux guest takes.
const usual = featVersion1 | featMergeable | featCsum | featGuestCsum | featGuestTSO4 | featGuestTSO6 | featGuestECN |
	featHostTSO4 | featHostTSO6 | featHostECN | featIndirect | featEventIndex

// plug makes a front end whose guest runs, and tells of its port.
func plug(tb testing.TB, l *bustest.Lab, features uint64) *front {
	tb.Helper()
	return plugWith(tb, l, features, 256, 2048)
}

// plugWith makes one with rings of other sizes, and other places for frames.
func plugWith(tb testing.TB, l *bustest.Lab, features uint64, size, place int) *front {
	tb.Helper()
	f := newFront(tb)
	f.rx.size, f.tx.size, f.place = size, size, place
	f.visit(l.Net, both)
	f.start(features)
	tb.Cleanup(f.hangUp)
	return f
}

// hangUp ends the connection, and waits until nothing is left of it.
func (f *front) hangUp() {
	_ = unix.Shutdown(f.fd, unix.SHUT_RDWR)
	bustest.WaitFor(f.tb, "the port to go", func() bool { return f.left.Load() == 1 })
}

// start says all that a front end says.
func (f *front) start(features uint64) {
	f.tb.Helper()
	if offered := f.ask(1, nil); offered&features != features {
		f.tb.Fatalf("%#x are offered", offered)
	}
	f.say(3, nil)
	f.say(2, u64(features|featProtocol))
	f.features = features
	f.say(5, f.table(), f.memfd)
	f.rx.start()
	f.tx.start()
}

// table tells of all memory as one region.
func (f *front) table() []byte {
	return body(uint32(1), uint32(0), uint64(guestBase), uint64(memorySize), uint64(userBase), uint64(0))
}

// body makes the body of a message.
func body(values ...any) (b []byte) {
	for _, v := range values {
		b, _ = binary.Append(b, binary.NativeEndian, v)
	}
	return b
}

// raw sends any bytes, with descriptors.
func (f *front) raw(b []byte, fds ...int) {
	f.tb.Helper()
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(f.fd, b, oob, nil, unix.MSG_NOSIGNAL); err != nil {
		f.tb.Log("sendmsg: ", err)
	}
}

func message32(request, flags uint32, b []byte) []byte {
	return append(body(request, flags, uint32(len(b))), b...)
}

// say sends a request and waits until it is served well.
func (f *front) say(request uint32, b []byte, fds ...int) {
	f.tb.Helper()
	f.raw(message32(request, version|flagNeedAck, b), fds...)
	if n := f.answer(request); n != 0 {
		f.tb.Fatalf("request %d: %d", request, n)
	}
}

// ask sends a request and returns the answer.
func (f *front) ask(request uint32, b []byte) uint64 {
	f.tb.Helper()
	f.raw(message32(request, version, b))
	return f.answer(request)
}

func (f *front) answer(request uint32) uint64 {
	f.tb.Helper()
	var b [headerLen + 8]byte
	for n := 0; n < len(b); {
		k, err := unix.Read(f.fd, b[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			f.tb.Fatalf("request %d is not answered: %v", request, err)
		}
		n += k
	}
	if r, flags := binary.NativeEndian.Uint32(b[:]), binary.NativeEndian.Uint32(b[4:]); r != request || flags != version|flagReply {
		f.tb.Fatalf("request %d is answered as %d with flags %#x", request, r, flags)
	}
	return binary.NativeEndian.Uint64(b[12:])
}

// headLen is the length of the header that stands in front of frames.
func (f *front) headLen() int { return formOf(f.features).HeadLen() }

// transmit sends frames, each with a virtio-net header of 10 bytes in front, as one
// descriptor, as many as there is room for.
func (f *front) transmit(raws ...[]byte) (sent int) {
	r := &f.tx
	was := r.avail
	for _, raw := range raws {
		if r.avail-r.usedIndex() == uint16(r.size) {
			break
		}
		i := int(r.avail) & (r.size - 1)
		to := f.memory[r.slot(i):][:f.place]
		n := copy(to, raw[:vnet.HeaderLen])
		if f.headLen() > n {
			to[n], to[n+1], n = 0xbe, 0xef, n+2 // anything
		}
		n += copy(to[n:], raw[vnet.HeaderLen:])
		r.desc(i, uint64(guestBase+r.slot(i)), uint32(n), 0, 0)
		r.offer(uint16(i))
		sent++
	}
	if sent > 0 {
		r.notify(was)
	}
	return sent
}

// transmitAll sends frames as room comes.
func (f *front) transmitAll(raws ...[]byte) {
	bustest.WaitFor(f.tb, "the device to take frames", func() bool {
		raws = raws[f.transmit(raws...):]
		return len(raws) == 0
	})
}

// receive takes what frames came, each with its header and put together, and gives
// the device the buffers again.
func (f *front) receive() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &f.rx
	was := r.avail
	for r.used != r.usedIndex() {
		head, n := r.element(r.used)
		raw := append([]byte{}, f.memory[r.slot(int(head)):][:n]...)
		chains := 1
		if f.headLen() == frame.Vnet12.HeadLen() {
			chains = int(binary.NativeEndian.Uint16(raw[vnet.HeaderLen:]))
		}
		if chains < 1 || chains > int(r.usedIndex()-r.used) {
			f.tb.Errorf("a frame has %d buffers, %d are used", chains, r.usedIndex()-r.used)
			chains = 1
		}
		r.used++
		r.offer(uint16(head))
		for range chains - 1 {
			head, n := r.element(r.used)
			raw = append(raw, f.memory[r.slot(int(head)):][:n]...)
			r.used++
			r.offer(uint16(head))
		}
		f.received = append(f.received, raw)
	}
	if r.avail != was {
		r.notify(was)
	}
	return append([][]byte{}, f.received...)
}

// frames are those that came, without headers.
func (f *front) frames() (list [][]byte) {
	for _, raw := range f.receive() {
		list = append(list, raw[f.headLen():])
	}
	return list
}

// marked is the seq-th frame of a sender, complete, with a virtio-net header.
func marked(raw []byte) []byte { return bustest.WithHeader(vnet.Header{}, raw) }

// refusal waits for the end of serve.
func (f *front) refusal() error {
	f.tb.Helper()
	select {
	case err := <-f.served:
		return err
	case <-time.After(20 * time.Second):
		f.tb.Fatal("serve does not return")
		return nil
	}
}

// file is the near end, for who is no visitor.
func (f *front) file() *os.File { return os.NewFile(uintptr(f.near), kind) }

// taken is what receive returned, without headers.
func (f *front) taken() (list [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, raw := range f.received {
		list = append(list, raw[f.headLen():])
	}
	return list
}

// framesOf are those of taken that a sender sent.
func (f *front) framesOf(sender int) (list [][]byte) {
	for _, raw := range f.taken() {
		if from, _, err := bustest.ReadMark(raw); err == nil && from == sender {
			list = append(list, raw)
		}
	}
	return list
}

// drain gives the device all buffers again, and looks at nothing.
func (f *front) drain() {
	r := &f.rx
	was := r.avail
	for r.used != r.usedIndex() {
		head, _ := r.element(r.used)
		r.used++
		r.offer(uint16(head))
	}
	if r.avail != was {
		r.notify(was)
	}
}

// receiveUntil takes what comes until done is closed.
func (f *front) receiveUntil(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
			f.receive()
			runtime.Gosched()
		}
	}
}

// at is a place in the memory.
func (f *front) at(i int) unsafe.Pointer { return unsafe.Pointer(&f.memory[i]) }

// makePipe makes a pipe, which is neither memory nor a notification.
func (f *front) makePipe() {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		f.tb.Fatal(err)
	}
	f.pipe = p[0]
	f.tb.Cleanup(func() {
		unix.Close(p[0])
		unix.Close(p[1])
	})
}

// openFiles tells how many descriptors are open when the lanes of earlier tests have
// ended.
func openFiles(tb testing.TB) int {
	stacks := make([]byte, 1<<20)
	bustest.WaitFor(tb, "lanes to end", func() bool {
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("created by ipnfs/lane.deal"))
	})
	return len(lanetest.OpenFiles(tb))
}
