package plane

import "github.com/cilium/ebpf/asm"

// tags makes the tag of the frame what the destination wants (IEEE 802.1Q 6.9.2): its
// own is taken off, and one of the other port's protocol put on, with the same priority.
// A tag of another protocol than the port's is data.
func (m *maps) tags() asm.Instructions {
	return step("tags",
		asm.LoadMem(asm.R1, rPort, portFlags, asm.Word),
		asm.And.Imm(asm.R1, flagVLANs),
		asm.JEq.Imm(asm.R1, 0, "forward"),

		asm.LoadMem(asm.R1, asm.RFP, onTag, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "push"),
		asm.LoadMem(asm.R2, asm.RFP, onTagged, asm.Word),
		asm.JEq.Imm(asm.R2, 0, "pop"),
		asm.LoadMem(asm.R1, rPort, portTPID, asm.Half),
		asm.LoadMem(asm.R2, rTo, portTPID, asm.Half),
		asm.JEq.Reg(asm.R1, asm.R2, "forward"), // as it is
		asm.Mov.Reg(asm.R1, rFrame).WithSymbol("pop"),
		asm.FnSkbVlanPop.Call(),
		asm.JNE.Imm(asm.R0, 0, "overrun"),

		asm.LoadMem(asm.R1, asm.RFP, onTagged, asm.Word).WithSymbol("push"),
		asm.JEq.Imm(asm.R1, 0, "forward"),
		asm.Mov.Reg(asm.R1, rFrame),
		asm.LoadMem(asm.R2, rTo, portTPID, asm.Half),
		asm.LoadMem(asm.R3, asm.RFP, onTag, asm.Word),
		asm.And.Imm(asm.R3, 0xf000),
		asm.LoadMem(asm.R4, asm.RFP, onKey+4, asm.Half),
		asm.Or.Reg(asm.R3, asm.R4),
		asm.FnSkbVlanPush.Call(),
		asm.JNE.Imm(asm.R0, 0, "overrun"),
	)
}
