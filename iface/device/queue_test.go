package device

import (
	"bytes"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// In whatever form a frame lies, the kernel gets it behind a header of 10
// bytes, and hears what is left to do.
func TestPieces(t *testing.T) {
	super := bustest.Super{Payload: 4000, Size: 1000}.Raw()
	plain := bustest.WithHeader(vnet.Header{}, super[vnet.HeaderLen:])
	for what, c := range map[string]struct {
		form   frame.Form
		raw    []byte
		want   []byte
		pieces int
	}{
		"bare":             {frame.Bare, plain[vnet.HeaderLen:], plain, 2},
		"of a stream":      {frame.Length2, bustest.Stream(plain[vnet.HeaderLen:]), plain, 2},
		"of a tap":         {frame.Vnet10, super, super, 1},
		"of a vhost-user":  {frame.Vnet12, slices.Insert(bytes.Clone(super), vnet.HeaderLen, 1, 0), super, 2},
		"of VXLAN":         {frame.VXLAN, append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, plain[vnet.HeaderLen:]...), plain, 2},
		"of QEMU's stream": {frame.Length4, append([]byte{0, 0, 0x0f, 0xc8}, plain[vnet.HeaderLen:]...), plain, 2},
	} {
		var b bus.Batch
		b.AddIn(c.form, c.raw)
		var iov [2]unix.Iovec
		n := pieces(&iov, &b.Frames[0])
		var got []byte
		for _, piece := range iov[:n] {
			got = append(got, unsafe.Slice(piece.Base, piece.Len)...)
		}
		if n != c.pieces || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %d pieces, % x..., want %d, % x...", what, n, got[:20], c.pieces, c.want[:20])
		}
	}
}

// refusing is the queue of a tap on a lane that the kernel refuses to use its ring
// from the first turn on, in which it brings many frames at once.
type refusing struct {
	tapQueue
	tb    testing.TB
	errno unix.Errno
	begun bool
}

func (q *refusing) Read(t *lane.Turn, room int) (frames int, err error) {
	if q.begun {
		return q.tapQueue.Read(t, room)
	}
	q.begun = true
	if q.ring(t) == nil {
		q.tb.Error("the lane has no ring")
	}
	harness.Refuse(q.tb, unix.SYS_IO_URING_ENTER, q.errno)
	for i := range 2 * lane.MaxBurst {
		t.Batch.AddVnet(marked(1, i))
	}
	return 2 * lane.MaxBurst, nil
}

// Where the kernel has no memory left for a call of the ring, what it was to write
// is lost and counted, what was to be read stays, and plain calls serve from then
// on, for the rest of the same frames, too.
func TestTapWithoutRingMemory(t *testing.T) {
	if fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&[30]uint32{})), 0); errno != 0 {
		harness.Missing(t, "io_uring: "+errno.Error())
	} else {
		unix.Close(int(fd))
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one lane for both
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EBUSY} {
		l := lanetest.Hub(t)
		a, b := newFakeTap(t), newFakeTap(t)
		to := b.start(t, l, Config{})
		for i := range lane.MaxBurst {
			a.Bring(t, marked(1, 2*lane.MaxBurst+i))
		}
		from := started(t, l, Config{}, tapFits, []lane.Source{{FD: a.Near, Driver: &refusing{tapQueue: tapQueue{queue{fd: a.Near}}, tb: t, errno: errno}}})
		got := bare(b.Await(t, 2*lane.MaxBurst))
		if _, first, _ := bustest.ReadMark(got[0]); first != lane.MaxBurst || len(got) != 2*lane.MaxBurst {
			t.Errorf("%v: %d frames came, the first is %d", errno, len(got), first)
		}
		if err := bustest.CheckOrder(got); err != nil {
			t.Errorf("%v: %v", errno, err)
		}
		if lost := lanetest.Count(to.Port(), "drop_device"); lost != lane.MaxBurst {
			t.Errorf("%v: %d frames are counted as lost, want %d", errno, lost, lane.MaxBurst)
		}
		from.Close()
		to.Close()
	}
}
