package plane

import (
	"slices"

	"github.com/cilium/ebpf/asm"
)

const (
	headerLen = 14 // bytes of an ethernet header
	tagLen    = 4  // bytes of a tag

	// second is how far behind the time may be when a source was heard, so that it is not
	// written for each frame.
	second = 1_000_000_000
	// patience is how many frames wait at most before known addresses are dropped.
	patience = 2048
)

// arrive finds the port, and takes what comes from the process aside.
func (m *maps) arrive() asm.Instructions {
	return slices.Concat(step("arrive",
		asm.Mov.Reg(rFrame, asm.R1),
		asm.LoadMem(asm.R1, rFrame, skbIndex, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.RSh.Imm(asm.R2, 1),
		asm.StoreMem(asm.RFP, onSlot, asm.R2, asm.Word),
		asm.And.Imm(asm.R1, 1),
		asm.JNE.Imm(asm.R1, 0, "sent"),
	), lengthNow("arrived"), asm.Instructions{
		asm.StoreMem(asm.RFP, onLen, asm.R2, asm.DWord),
	}, lookup(m.ports.fd, onSlot, "drop"), asm.Instructions{
		asm.Mov.Reg(rPort, asm.R0),
		asm.LoadMem(asm.R1, rPort, portMark, asm.Word),
		asm.LoadMem(asm.R2, rPort, portValid, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "punt"),
		asm.StoreMem(asm.RFP, onMark, asm.R1, asm.Word),
	})
}

// addresses reads both. Those of groups are the process's.
func (m *maps) addresses() asm.Instructions {
	return step("addresses",
		asm.LoadMem(asm.R2, rFrame, skbData, asm.Word),
		asm.LoadMem(asm.R3, rFrame, skbDataEnd, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R2),
		asm.Add.Imm(asm.R1, headerLen),
		asm.JGT.Reg(asm.R1, asm.R3, "punt"),
		asm.LoadMem(asm.R1, asm.R2, 0, asm.Byte),
		asm.And.Imm(asm.R1, 1),
		asm.JNE.Imm(asm.R1, 0, "punt"),
		asm.LoadMem(asm.R1, asm.R2, 0, asm.Half),
		asm.StoreMem(asm.RFP, onTarget, asm.R1, asm.Half),
		asm.LoadMem(asm.R1, asm.R2, 2, asm.Word),
		asm.StoreMem(asm.RFP, onTarget+4, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R2, 6, asm.Half),
		asm.StoreMem(asm.RFP, onKey+6, asm.R1, asm.Half),
		asm.LoadMem(asm.R1, asm.R2, 8, asm.Word),
		asm.StoreMem(asm.RFP, onKey+8, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, rPort, portNetwork, asm.Word),
		asm.StoreMem(asm.RFP, onKey, asm.R1, asm.Word),
	)
}

// classify finds the VLAN (IEEE 802.1Q 6.9): of the tag, if its protocol is that of the
// port, else that of untagged frames. The kernel has taken the outermost tag out of the
// frame already.
func (m *maps) classify() asm.Instructions {
	return step("classify",
		asm.Mov.Imm(asm.R3, 0), // the VLAN
		asm.Mov.Imm(asm.R4, 0), // the tag
		asm.LoadMem(asm.R1, rPort, portFlags, asm.Word),
		asm.And.Imm(asm.R1, flagVLANs),
		asm.JEq.Imm(asm.R1, 0, "classified"),

		asm.LoadMem(asm.R1, rFrame, skbVLANPresent, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "untagged"),
		asm.LoadMem(asm.R1, rFrame, skbVLANProto, asm.Word),
		asm.LoadMem(asm.R2, rPort, portTPID, asm.Half),
		asm.JNE.Reg(asm.R1, asm.R2, "untagged"),
		asm.LoadMem(asm.R4, rFrame, skbVLANTCI, asm.Word),
		asm.Mov.Reg(asm.R3, asm.R4),
		asm.And.Imm(asm.R3, 0xfff),
		asm.JEq.Imm(asm.R3, 0, "punt"), // a priority tag
		asm.Or.Imm(asm.R4, tagPresent),
		asm.Ja.Label("classified"),

		asm.LoadMem(asm.R3, rPort, portPVID, asm.Half).WithSymbol("untagged"),
		asm.JEq.Imm(asm.R3, 0, "punt"),

		asm.StoreMem(asm.RFP, onKey+4, asm.R3, asm.Half).WithSymbol("classified"),
		asm.StoreMem(asm.RFP, onTag, asm.R4, asm.Word),
	)
}

// source wants to know the sender, at this port: the rest the process has to learn. It
// keeps when the sender was heard.
func (m *maps) source() asm.Instructions {
	return slices.Concat(step("source",
		lookup(m.fdb, onKey, "punt")...,
	), asm.Instructions{
		asm.Mov.Reg(rEntry, asm.R0),
		asm.LoadMem(asm.R1, rEntry, valueSlot, asm.Half),
		asm.LoadMem(asm.R2, asm.RFP, onSlot, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "punt"),
		asm.LoadMem(asm.R1, rEntry, valueMark, asm.Word),
		asm.LoadMem(asm.R2, asm.RFP, onMark, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "punt"),
		asm.FnKtimeGetCoarseNs.Call(),
		asm.LoadMem(asm.R1, rEntry, valueUsed, asm.DWord),
		asm.Mov.Reg(asm.R2, asm.R0),
		asm.Sub.Reg(asm.R2, asm.R1),
		asm.JLT.Imm(asm.R2, second, "destination"),
		asm.StoreMem(rEntry, valueUsed, asm.R0, asm.DWord),
	})
}

// destination finds the port that the frame goes to: another one, that is in force, and
// not isolated if this one is.
func (m *maps) destination() asm.Instructions {
	return slices.Concat(step("destination",
		asm.LoadMem(asm.R1, asm.RFP, onTarget, asm.Half),
		asm.StoreMem(asm.RFP, onKey+6, asm.R1, asm.Half),
		asm.LoadMem(asm.R1, asm.RFP, onTarget+4, asm.Word),
		asm.StoreMem(asm.RFP, onKey+8, asm.R1, asm.Word),
	), lookup(m.fdb, onKey, "punt"), asm.Instructions{
		asm.Mov.Reg(rEntry, asm.R0),
		asm.LoadMem(asm.R1, rEntry, valueSlot, asm.Half),
		asm.LoadMem(asm.R2, asm.RFP, onSlot, asm.Word),
		asm.JEq.Reg(asm.R1, asm.R2, "punt"),
		asm.StoreMem(asm.RFP, onToSlot, asm.R1, asm.Word),
	}, lookup(m.ports.fd, onToSlot, "punt"), asm.Instructions{
		asm.Mov.Reg(rTo, asm.R0),
		asm.LoadMem(asm.R1, rTo, portMark, asm.Word),
		asm.LoadMem(asm.R2, rTo, portValid, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "punt"),
		asm.LoadMem(asm.R2, rEntry, valueMark, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "punt"),

		// The kernel may make an entry that is deleted another one at once, also for who has
		// just found it: so all that must not be wrong is looked at once more.
		asm.LoadMem(asm.R1, asm.RFP, onKey, asm.Word),
		asm.LoadMem(asm.R2, rTo, portNetwork, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "punt"),
		asm.LoadMem(asm.R3, rEntry, valueTag, asm.Half),
		asm.Mov.Reg(asm.R1, asm.R3),
		asm.And.Imm(asm.R1, 0xfff),
		asm.LoadMem(asm.R2, asm.RFP, onKey+4, asm.Half),
		asm.JNE.Reg(asm.R1, asm.R2, "punt"),
		asm.And.Imm(asm.R3, tagged),
		asm.StoreMem(asm.RFP, onTagged, asm.R3, asm.Word),

		asm.LoadMem(asm.R1, rPort, portFlags, asm.Word),
		asm.LoadMem(asm.R2, rTo, portFlags, asm.Word),
		asm.And.Reg(asm.R1, asm.R2),
		asm.And.Imm(asm.R1, flagIsolated),
		asm.JNE.Imm(asm.R1, 0, "punt"),
	})
}

// gate keeps the order: while frames of the port wait for the process, all others wait
// behind them. If they are too many, those that could be forwarded are dropped until all
// are carried; else a fast sender would never be forwarded again.
func (m *maps) gate() asm.Instructions {
	return slices.Concat(step("gate",
		lookup(m.order.fd, onSlot, "drop")...,
	), asm.Instructions{
		asm.Mov.Reg(rEntry, asm.R0),
		asm.LoadMem(asm.R1, rEntry, orderPunted, asm.DWord),
		asm.LoadMem(asm.R2, rEntry, orderDone, asm.DWord),
		asm.LoadMem(asm.R3, rEntry, orderDraining, asm.DWord),
		asm.Sub.Reg(asm.R1, asm.R2),
		asm.JSGT.Imm(asm.R1, 0, "closed"),
		asm.JEq.Imm(asm.R3, 0, "tags"),
		asm.Mov.Imm(asm.R3, 0),
		asm.StoreMem(rEntry, orderDraining, asm.R3, asm.DWord),
		asm.Ja.Label("tags"),

		asm.JNE.Imm(asm.R3, 0, "overrun").WithSymbol("closed"),
		asm.JLE.Imm(asm.R1, patience, "punt"),
		asm.Mov.Imm(asm.R3, 1),
		asm.StoreMem(rEntry, orderDraining, asm.R3, asm.DWord),
		asm.Ja.Label("overrun"),
	})
}

// forward counts the frame at both ports.
func (m *maps) forward() asm.Instructions {
	return slices.Concat(
		step("forward", m.cell(onSlot)...), count(countIn, lengthThen()),
		m.cell(onToSlot), count(countOut, lengthNow("leaving")),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, onToSlot, asm.Word),
			asm.Ja.Label("redirect"),
		})
}

// punt gives the frame to the process. It is numbered before it is there to be read.
func (m *maps) punt() asm.Instructions {
	return slices.Concat(step("punt",
		lookup(m.order.fd, onSlot, "drop")...,
	), asm.Instructions{
		asm.Mov.Reg(rEntry, asm.R0),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(rEntry, asm.R1, asm.DWord, orderPunted),
		asm.Mov.Reg(asm.R1, rFrame),
		asm.LoadMem(asm.R2, asm.RFP, onSlot, asm.Word),
		asm.LSh.Imm(asm.R2, 1),
		asm.Or.Imm(asm.R2, 1),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnCloneRedirect.Call(),
		asm.JEq.Imm(asm.R0, 0, "drop"),
		asm.Mov.Imm(asm.R1, -1),
		asm.AddAtomic.Mem(rEntry, asm.R1, asm.DWord, orderPunted),
	})
}

// overrun drops the frame, and counts it.
func (m *maps) overrun() asm.Instructions {
	return slices.Concat(step("overrun", m.cell(onSlot)...), count(countOverrun, lengthThen()),
		step("drop",
			asm.Mov.Imm(asm.R0, actDrop),
			asm.Return(),
		))
}

// sent is of a frame of the process.
func (m *maps) sent() asm.Instructions {
	return slices.Concat(step("sent", m.cell(onSlot)...), asm.Instructions{
		asm.Mov.Imm(asm.R2, 1),
	}, add(countSent), asm.Instructions{
		asm.LoadMem(asm.R1, asm.RFP, onSlot, asm.Word),
	})
}

// redirect gives the frame to the host's end of the port with the slot R1.
func (m *maps) redirect() asm.Instructions {
	return step("redirect",
		asm.LSh.Imm(asm.R1, 1),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
	)
}
