package plane

import (
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// The path of a frame in the kernel. The program runs where a frame comes out of a
// port's device, on whose index it depends which way the frame goes (see devices.go):
// from the process to the host, which always gets it, or from the host. Then the frame
// goes step by step to the host's end of another port, unless a step leaves to
//
//   - punt: the process gets the frame, to do with it what it does with any. That is
//     never wrong: so a step leaves to it whatever it does not know for sure;
//   - overrun: the frame is lost, as there are too many before it, and counted.
//
// The program and its maps know no names, times or rules but what the process has put
// there. Registers: see below. A step may use R0 to R5 as it likes.
const (
	rFrame = asm.R6 // the context, struct __sk_buff of linux/bpf.h
	rPort  = asm.R7 // the portCell of the port that the frame came by
	rTo    = asm.R8 // that of the port where the destination is
	rEntry = asm.R9 // the value of the source, then of the destination; then the orderCell
)

// The program's stack.
const (
	onSlot   = -4  // u32, of the port
	onToSlot = -8  // u32, of the port where the destination is
	onCell   = -12 // u32, the index of a countCell
	onKey    = -24 // Key
	onTarget = -32 // u16 at 0, u32 at 4: the destination address
	onTag    = -36 // u32, the tag that counts at the port, with tagPresent; 0: none
	onTagged = -40 // u32, the destination wants the tag
	onMark   = -44 // u32, of the port
	onLen    = -56 // u64, of the frame as it came, with its tag
)

// tagPresent is above the 16 bits of a tag in onTag.
const tagPresent = 1 << 16

// Offsets in struct __sk_buff.
const (
	skbLen, skbVLANPresent, skbVLANTCI, skbVLANProto       = 0, 20, 24, 28
	skbIndex, skbData, skbDataEnd, skbGSOSize              = 40, 76, 80, 176
	actDrop                                          int32 = 2 // TC_ACT_SHOT of linux/pkt_cls.h
)

// steps are the program, in order.
func (m *maps) steps() []asm.Instructions {
	return []asm.Instructions{
		m.arrive(),
		m.addresses(),
		m.classify(),
		m.source(),
		m.destination(),
		m.size(),
		m.gate(),
		m.tags(),
		m.forward(),
		m.punt(),
		m.overrun(),
		m.sent(),
		m.redirect(),
	}
}

// programName is what the program and its filters are called. The kernel takes 15 bytes.
const programName = "ipnfs_forward"

// newProgram loads a program. It needs no right to call functions that the kernel has
// under the GPL only.
func newProgram(steps []asm.Instructions) (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         programName,
		Type:         ebpf.SchedCLS,
		Instructions: slices.Concat(steps...),
		License:      "BSD",
	})
}

// step gives the first instruction its name, to which others jump.
func step(name string, insns ...asm.Instruction) asm.Instructions {
	insns[0] = insns[0].WithSymbol(name)
	return insns
}

// lookup looks in a map for the key at that place of the stack. R0 is the element; if
// there is none it jumps.
func lookup(m *ebpf.Map, key int32, none string) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, none),
	}
}

// cell makes R0 the countCell of a slot, which is at that place of the stack, on this
// processor.
func (m *maps) cell(slot int16) asm.Instructions {
	return append(asm.Instructions{
		asm.FnGetSmpProcessorId.Call(),
		asm.LoadMem(asm.R1, asm.RFP, slot, asm.Word),
		asm.Mul.Imm(asm.R1, int32(m.cpus)),
		asm.Add.Reg(asm.R1, asm.R0),
		asm.StoreMem(asm.RFP, onCell, asm.R1, asm.Word),
	}, lookup(m.counts.fd, onCell, "drop")...)
}

// add adds R2 to a field of R0. There is no other writer on this processor.
func add(field int16) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.R0, field, asm.DWord),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R0, field, asm.R1, asm.DWord),
	}
}

// count adds one frame, and its length, to fields of R0.
func count(field int16, length asm.Instructions) asm.Instructions {
	return slices.Concat(asm.Instructions{asm.Mov.Imm(asm.R2, 1)}, add(field), length, add(field+8))
}

// lengthNow makes R2 the length of the frame as it is now, with its tag.
func lengthNow(label string) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R2, rFrame, skbLen, asm.Word),
		asm.LoadMem(asm.R1, rFrame, skbVLANPresent, asm.Word),
		asm.JEq.Imm(asm.R1, 0, label),
		asm.Add.Imm(asm.R2, tagLen),
		asm.Mov.Reg(asm.R2, asm.R2).WithSymbol(label),
	}
}

// lengthThen makes R2 the length of the frame as it came.
func lengthThen() asm.Instructions {
	return asm.Instructions{asm.LoadMem(asm.R2, asm.RFP, onLen, asm.DWord)}
}
