package fs

import (
	"sync"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/fs/devfuse"
)

// maxPieces is how many pieces one reply may have beside its header
// (IOV_MAX is 1024).
const maxPieces = 1023

// Small pieces are copied together: to the kernel a piece costs more than the
// copying of some hundred bytes.
const (
	smallPiece = 512
	smallRoom  = 64 << 10
)

// gather collects frames in stream form as the pieces of one reply. Pieces
// that lie one behind the other become one: a batch that came as one write
// leaves as one piece.
type gather struct {
	head   fuse.OutHeader
	iov    []unix.Iovec  // [0] is for head
	size   int           // bytes in the pieces
	frames []frame.Frame // released when the reply is out
	small  []byte        // copies of small pieces, and lengths
}

var gathers = sync.Pool{New: func() any {
	return &gather{iov: make([]unix.Iovec, 1, 16)}
}}

func newGather() *gather { return gathers.Get().(*gather) }

// free gives g back, with the frames it kept.
func (g *gather) free() {
	for i := range g.frames {
		g.frames[i].Release()
	}
	clear(g.iov)
	clear(g.frames)
	*g = gather{iov: g.iov[:1], frames: g.frames[:0], small: g.small[:0]}
	gathers.Put(g)
}

// fits tells whether f has room in an answer of size bytes.
func (g *gather) fits(f *frame.Frame, size int) bool {
	return g.size+f.Len()+frame.LengthPrefix <= size && len(g.iov) < maxPieces
}

// keep holds f until free.
func (g *gather) keep(f frame.Frame) { g.frames = append(g.frames, f) }

// take adds a whole frame, which g then holds.
func (g *gather) take(f frame.Frame) {
	g.keep(f)
	g.addPart(&f, 0, f.Len()+frame.LengthPrefix)
}

// addPart adds n bytes of the stream form of f from an offset on.
func (g *gather) addPart(f *frame.Frame, from, n int) {
	form, ok := f.Prefixed()
	if ok {
		g.add(form[from : from+n])
		return
	}
	var length [frame.LengthPrefix]byte
	frame.PutLength(length[:], f.Len())
	head := min(n, max(0, frame.LengthPrefix-from))
	if head > 0 {
		g.copy(length[from : from+head])
	}
	if n > head {
		at := from + head - frame.LengthPrefix
		g.add(f.Data()[at : at+n-head])
	}
}

// add adds a piece that stays where it is until the reply is out, or copies
// it if it is small.
func (g *gather) add(data []byte) {
	if !g.follows(data) && len(data) <= smallPiece && len(g.iov) > 1 && len(g.small)+len(data) <= smallRoom {
		g.copy(data)
		return
	}
	g.append(data)
}

// copy adds a copy of a small piece. The room for copies never moves.
func (g *gather) copy(data []byte) {
	if g.small == nil {
		g.small = make([]byte, 0, smallRoom+frame.LengthPrefix*maxPieces)
	}
	at := len(g.small)
	g.small = append(g.small, data...)
	g.append(g.small[at:])
}

// append adds a piece, or makes the last one longer if data follows it.
func (g *gather) append(data []byte) {
	g.size += len(data)
	if g.follows(data) {
		g.iov[len(g.iov)-1].Len += uint64(len(data))
		return
	}
	g.iov = append(g.iov, unix.Iovec{Base: unsafe.SliceData(data), Len: uint64(len(data))})
}

// follows tells whether data lies right behind the last piece. Addresses are
// compared as numbers, since what is behind a piece may be no object at all.
func (g *gather) follows(data []byte) bool {
	last := &g.iov[len(g.iov)-1]
	return len(g.iov) > 1 && uintptr(unsafe.Pointer(last.Base))+uintptr(last.Len) == uintptr(unsafe.Pointer(unsafe.SliceData(data)))
}

// reply sends what was gathered.
func (g *gather) reply(r devfuse.Reply) { r.Pieces(&g.head, g.iov, g.size) }
