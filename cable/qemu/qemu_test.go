package qemu

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/cable/cabletest"
	"ipnfs/lane/lanetest"
	"ipnfs/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpen(t *testing.T) {
	for _, text := range []string{"qemu://a", "qemu:///a?b=c"} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := open(l, nil); fail.KindOf(err) != fail.Invalid {
			t.Errorf("%s is read as %+v, %v", text, d, err)
		}
	}
}

// A socket that is not there is tried again, frames pass when it is; a peer who hangs up,
// or sends garbage, is dialled again.
func TestConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l := cabletest.New(t)
	l.Lay(t, "qemu://"+path, "state=down reason=")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for round, end := range []string{"", "\xff\xff\xff\xffgarbage", ""} {
		c, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		l.Await(t, "state=up peer="+path)
		want := lanetest.Frame(1, round)
		head := binary.BigEndian.AppendUint32(nil, uint32(len(want)))
		if _, err := c.Write(append(head, want...)); err != nil {
			t.Fatal(err)
		}
		if got := l.Frames(t, round+1)[round]; !bytes.Equal(got, want) {
			t.Errorf("%d bytes came", len(got))
		}
		bustest.Send(l.Peer, want)
		got := make([]byte, 4+len(want))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got[4:], want) {
			t.Errorf("%x left, %v", got, err)
		}
		if end == "" {
			c.Close()
		} else {
			_, _ = io.WriteString(c, end)
		}
		l.Await(t, "state=down")
		c.Close()
	}
	l.Remove(t, "qemu0")
}
