package plane

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"ipnfs/iface/nstest"
)

// skb is struct __sk_buff, by which the kernel is told of a frame for a test, and tells.
type skb [48]uint32

// Of an skb, what tests use in their own way: the tag before and the slot and tag after.
const (
	skbCB                       = 48
	cbTag                       = skbCB + 16 // the protocol as in the frame, and the TCI<<16
	cbSlot, cbPresent           = skbCB, skbCB + 4
	cbOutProto, cbOutTCI        = skbCB + 8, skbCB + 12
	redirected           uint32 = 7 // TC_ACT_REDIRECT
)

// tag is one that is in a frame beside its bytes: TPID<<16 | TCI.
type tag uint32

// newTestProgram is the program as it is, but for what the kernel has no place for in a
// test: before it the tag is put into the frame, and in place of the end it is told
// where the frame goes.
func newTestProgram(tb testing.TB, m *maps) *ebpf.Program {
	tb.Helper()
	steps := m.steps()
	before := asm.Instructions{
		asm.Mov.Reg(rFrame, asm.R1),
		asm.LoadMem(asm.R2, rFrame, cbTag, asm.Word),
		asm.JEq.Imm(asm.R2, 0, "begin"),
		asm.Mov.Reg(asm.R3, asm.R2),
		asm.RSh.Imm(asm.R3, 16),
		asm.And.Imm(asm.R2, 0xffff),
		asm.FnSkbVlanPush.Call(),
		asm.Mov.Reg(asm.R1, rFrame).WithSymbol("begin"),
	}
	after := asm.Instructions{asm.StoreMem(rFrame, cbSlot, asm.R1, asm.Word).WithSymbol("redirect")}
	for from, to := range map[int16]int16{skbVLANPresent: cbPresent, skbVLANProto: cbOutProto, skbVLANTCI: cbOutTCI} {
		after = append(after, asm.LoadMem(asm.R1, rFrame, from, asm.Word), asm.StoreMem(rFrame, to, asm.R1, asm.Word))
	}
	steps[len(steps)-1] = append(after, asm.Mov.Imm(asm.R0, int32(redirected)), asm.Return())
	program, err := newProgram(append([]asm.Instructions{before}, steps...))
	if err != nil {
		tb.Fatalf("%+v", err)
	}
	tb.Cleanup(func() { program.Close() })
	return program
}

// lab is two hosts, a and b, of a network, whose frames the test program gets.
type lab struct {
	tb      testing.TB
	program *ebpf.Program
	a, b    *host
	network uint32
}

func newLab(tb testing.TB) *lab {
	tb.Helper()
	l := &lab{tb: tb, a: newHost(tb), b: newHost(tb)}
	l.program = newTestProgram(tb, l.a.plane.maps)
	l.network = l.a.plane.NewNetwork()
	tb.Cleanup(func() { l.a.plane.FreeNetwork(l.network) })
	return l
}

// result is what became of a frame.
type result struct {
	what string // forwarded, punted, overrun, or dropped without a word
	slot int    // where to
	tag  tag    // beside its bytes
	data string // if forwarded
}

// String is short.
func (r result) String() string {
	return fmt.Sprintf("%s to slot %d with tag %#x, % x", r.what, r.slot, uint32(r.tag), r.data[:min(len(r.data), 64)])
}

// run runs the program on a frame from a's host, or, if sent, from the process.
func (l *lab) run(data []byte, beside tag, gso uint32, sent bool) (r result) {
	l.tb.Helper()
	var in, out skb
	in[skbIndex/4] = uint32(l.a.port.Index())
	if sent {
		in[skbIndex/4]++
	}
	in[skbGSOSize/4] = gso
	if beside != 0 {
		in[cbTag/4] = uint32(beside>>24|beside>>8&0xff00) | uint32(beside)<<16
	}
	before := l.a.port.Counts()
	options := ebpf.RunOptions{Data: data, DataOut: make([]byte, len(data)+64), Context: &in, ContextOut: &out}
	var code uint32
	nstest.In(l.tb, l.a.plane.ns, func() (err error) {
		code, err = l.program.Run(&options)
		return err
	})
	punted := l.a.punted()
	counts := l.a.port.Counts()
	switch {
	case code == redirected && counts.Overrun == before.Overrun && punted == nil:
		r = result{what: "forwarded", slot: int(out[cbSlot/4]), data: string(options.DataOut)}
		if out[cbPresent/4] != 0 {
			proto := out[cbOutProto/4]
			r.tag = tag(proto>>8|proto&0xff<<8)<<16 | tag(out[cbOutTCI/4])
		}
	case code == redirected:
		r.what = "forwarded, and more"
	case code != uint32(actDrop):
		r.what = "neither forwarded nor dropped"
	case punted != nil && counts == before:
		r = result{what: "punted", data: string(punted)}
	case counts.Overrun == before.Overrun+1:
		r.what = "overrun"
	default:
		r.what = "dropped"
	}
	return r
}
