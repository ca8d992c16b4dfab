package fastpath

import (
	"encoding/binary"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func lockThread() { runtime.LockOSThread() }

// maxNumber is how many numbers a flow has at most.
const maxNumber = 1 << 24

// flow is what came of one flow.
type flow struct {
	times  []uint8 // that each number came
	last   uint64
	total  uint64
	late   int                // came behind a later one
	behind uint64             // the farthest
	twice  int                // came again
	tags   map[uint32]*extent // by the outermost tag, 0: none
	sample map[uint64][]byte  // the first of them, whole
}

// extent is which numbers there are.
type extent struct{ first, last uint64 }

// samples is how many frames of a flow are kept.
const samples = 256

// receiver takes what comes to eth0 of a host.
type receiver struct {
	out   int // a socket to send by
	file  *os.File
	close func()  // of both; they hold the namespace
	eth0  [6]byte // its address

	mu    sync.Mutex
	flows [flows]flow
	read  uint64 // all frames
	lost  uint64 // as the socket was full
	other uint64 // frames that are not the tests'

	forHost, forOthers, wrongType uint64 // what the kernel says of whose a frame is
}

// socket opens a packet socket at eth0, with options of SOL_PACKET.
func (h *host) socket(t *testing.T, options ...int) (fd int) {
	t.Helper()
	h.In(func() (err error) {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		for _, option := range options {
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1); err != nil {
				return err
			}
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 128<<20); err != nil {
			return err
		}
		to := &unix.SockaddrLinklayer{Ifindex: i.Index} // protocol 0: nothing comes
		if len(options) > 0 {
			all := uint16(unix.ETH_P_ALL)
			to.Protocol = all<<8 | all>>8
		}
		return unix.Bind(fd, to)
	})
	return fd
}

// receive takes what comes until the test ends.
func (h *host) receive(t *testing.T) *receiver {
	t.Helper()
	fd := h.socket(t, unix.PACKET_AUXDATA, unix.PACKET_IGNORE_OUTGOING)
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	r := &receiver{eth0: h.mac, out: h.socket(t), file: os.NewFile(uintptr(fd), "eth0")}
	var reading sync.WaitGroup
	reading.Go(r.readAll)
	r.close = sync.OnceFunc(func() {
		r.file.Close()
		unix.Close(r.out)
		reading.Wait()
	})
	t.Cleanup(r.close)
	return r
}

// readAll takes frames until the socket is closed.
func (r *receiver) readAll() {
	raw, err := r.file.SyscallConn()
	if err != nil {
		return
	}
	const most, controlSize = 64, 64
	list, _, bufs := messages(most, 9100)
	control, from := make([]byte, most*controlSize), make([]unix.RawSockaddrLinklayer, most)
	for {
		for i := range list {
			list[i].hdr.Name, list[i].hdr.Namelen = (*byte)(unsafe.Pointer(&from[i])), unix.SizeofSockaddrLinklayer
			list[i].hdr.Control = &control[i*controlSize]
			list[i].hdr.Controllen = controlSize
		}
		var n uintptr
		var errno unix.Errno
		err := raw.Read(func(fd uintptr) bool {
			n, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&list[0])), most, 0, 0, 0)
			return errno != unix.EAGAIN
		})
		if err != nil || errno != 0 && errno != unix.EINTR && errno != unix.ENETDOWN {
			return
		}
		if errno != 0 {
			continue
		}
		r.mu.Lock()
		for i := range int(n) {
			r.whose(bufs[i], from[i].Pkttype)
			r.take(bufs[i][:list[i].n], control[i*controlSize:][:list[i].hdr.Controllen])
		}
		r.mu.Unlock()
	}
}

// whose checks what the kernel says of a frame (packet(7)).
//
// +checklocks:r.mu
func (r *receiver) whose(f []byte, kind uint8) {
	mine := [6]byte(f) == r.eth0
	switch {
	case f[0]&1 != 0:
		return
	case mine:
		r.forHost++
	default:
		r.forOthers++
	}
	if (kind == unix.PACKET_HOST) != mine {
		r.wrongType++
	}
}

// take notes a frame.
//
// +checklocks:r.mu
func (r *receiver) take(f, control []byte) {
	r.read++
	tag := tagIn(control)
	if tag == 0 && binary.BigEndian.Uint16(f[12:]) != etherType {
		tag = binary.BigEndian.Uint32(f[12:])
	}
	at := numberAt(f)
	if len(f) < at+8 || f[at-1] >= flows {
		r.other++
		return
	}
	n, fl := binary.BigEndian.Uint64(f[at:]), &r.flows[f[at-1]]
	if n >= maxNumber {
		return
	}
	if fl.times == nil {
		fl.tags, fl.sample = map[uint32]*extent{}, map[uint64][]byte{}
	}
	for uint64(len(fl.times)) <= n {
		fl.times = append(fl.times, make([]uint8, 1<<18)...)
	}
	if fl.times[n] > 0 {
		fl.twice++
	}
	fl.times[n] = min(fl.times[n]+1, 200)
	if fl.total > 0 && n < fl.last {
		fl.late++
		fl.behind = max(fl.behind, fl.last-n)
	}
	fl.last = max(fl.last, n)
	fl.total++
	if e := fl.tags[tag]; e == nil {
		fl.tags[tag] = &extent{n, n}
	} else {
		e.first, e.last = min(e.first, n), max(e.last, n)
	}
	if len(fl.sample) < samples {
		if tagIn(control) != 0 { // which the kernel has taken out
			f = slices.Concat(f[:12], binary.BigEndian.AppendUint32(nil, tag), f[12:])
		}
		fl.sample[n] = slices.Clone(f)
	}
}

// tagIn returns the tag that the kernel has taken out of a frame (packet(7),
// PACKET_AUXDATA), or 0.
func tagIn(control []byte) uint32 {
	if len(control) < unix.CmsgLen(int(unsafe.Sizeof(unix.TpacketAuxdata{}))) {
		return 0
	}
	aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&control[unix.CmsgLen(0)]))
	if aux.Status&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0
	}
	return uint32(aux.Vlan_tpid)<<16 | uint32(aux.Vlan_tci)
}

// came tells whether a frame of a flow came.
func (r *receiver) came(flow byte, n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	times := r.flows[flow].times
	return n < uint64(len(times)) && times[n] > 0
}

// count tells how many frames of a flow came.
func (r *receiver) count(flow byte) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flows[flow].total
}

// between counts the frames of a flow with numbers from first up to end that came.
func (r *receiver) between(flow byte, first, end uint64) (n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	times := r.flows[flow].times
	for _, c := range times[min(first, uint64(len(times))):min(end, uint64(len(times)))] {
		if c > 0 {
			n++
		}
	}
	return n
}

// taken is how many frames came to the socket, those that it had no room for included.
func (r *receiver) taken() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw, err := r.file.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) {
			if s, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
				r.lost += uint64(s.Drops)
			}
		})
	}
	return r.read + r.lost
}
