package device

import (
	"bytes"
	"ipnfs/bus/frame"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/vnet"
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
