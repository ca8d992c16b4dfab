package vde

import (
	"bytes"
	"io"
	"os/exec"
	"testing"

	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// plug is a vde_plug: frames behind their length, on its input and output.
type plug struct {
	*exec.Cmd
	in  io.Writer
	out io.Reader
}

func (l *lab) plug(t *testing.T, vnl string) *plug {
	t.Helper()
	p := &plug{Cmd: exec.Command(harness.NeedProgram(t, "vde_plug"), vnl)}
	var err error
	if p.in, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.out, err = p.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	return p
}

// What VDE's own plug says arrives at another, the port is the one that it asked
// for, and it leaves when it is killed.
func TestVdePlug(t *testing.T) {
	l := newLab(t)
	a, b := l.plug(t, "vde://"+l.dir+"[7]"), l.plug(t, l.dir)
	l.ports(t, 2)
	if p := l.Net.Ports(); len(p) != 2 || p[1] != 7 {
		t.Errorf("ports %v", p)
	}
	for _, way := range [][2]*plug{{a, b}, {b, a}} {
		for i := range 20 {
			said := bustest.Stream(lanetest.Frame(1, i))
			if _, err := way[0].in.Write(said); err != nil {
				t.Fatal(err)
			}
			heard := make([]byte, len(said))
			if _, err := io.ReadFull(way[1].out, heard); err != nil || !bytes.Equal(heard, said) {
				t.Fatalf("frame %d of %d bytes: %v", i, len(said)-frame.LengthPrefix, err)
			}
		}
	}
	if err := a.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	l.ports(t, 1)
}
