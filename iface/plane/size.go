package plane

import "github.com/cilium/ebpf/asm"

// Of the headers behind that of ethernet (RFC 791, 8200, 9293, 768).
const (
	typeIPv4, typeIPv6     = 0x0800, 0x86dd
	ipv4Len, ipv4Proto     = 20, 9
	ipv6Len, ipv6Next      = 40, 6
	protoTCP, protoUDP     = 6, 17
	tcpLen, tcpDoff        = 20, 12
	udpLen                 = 8
	wordsOfIHL, wordsShift = 15, 2
)

// size wants the frame to be as short as the network and the host's end of the other
// port take it, where the outermost tag counts for the network only. Of a super-frame the
// segments count, as far as their length can be told: TCP and UDP right behind IPv4 or
// IPv6. One of a tunnel is judged by the headers outside.
func (m *maps) size() asm.Instructions {
	return step("size",
		// R4 is how long it may be without its tag.
		asm.LoadMem(asm.R4, rPort, portMTU, asm.Word),
		asm.LoadMem(asm.R1, rFrame, skbVLANPresent, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "device"),
		asm.Sub.Imm(asm.R4, tagLen),
		asm.LoadMem(asm.R2, rTo, portMaxLen, asm.Word).WithSymbol("device"),
		asm.JSLE.Reg(asm.R4, asm.R2, "whole"),
		asm.Mov.Reg(asm.R4, asm.R2),

		asm.LoadMem(asm.R1, rFrame, skbLen, asm.Word).WithSymbol("whole"),
		asm.JSLE.Reg(asm.R1, asm.R4, "gate"),
		asm.LoadMem(asm.R5, rFrame, skbGSOSize, asm.Word),
		asm.JEq.Imm(asm.R5, 0, "punt"),

		// R2 is the frame, R3 its end, R1 the length of the headers.
		asm.LoadMem(asm.R2, rFrame, skbData, asm.Word),
		asm.LoadMem(asm.R3, rFrame, skbDataEnd, asm.Word),
		asm.Mov.Reg(asm.R0, asm.R2),
		asm.Add.Imm(asm.R0, headerLen+ipv6Len),
		asm.JGT.Reg(asm.R0, asm.R3, "punt"), // none with TCP or UDP is shorter, but of IPv4 with UDP
		asm.LoadMem(asm.R0, asm.R2, headerLen-2, asm.Half),
		asm.HostTo(asm.BE, asm.R0, asm.Half),
		asm.JEq.Imm(asm.R0, typeIPv6, "ipv6"),
		asm.JNE.Imm(asm.R0, typeIPv4, "punt"),

		asm.LoadMem(asm.R1, asm.R2, headerLen, asm.Byte),
		asm.And.Imm(asm.R1, wordsOfIHL),
		asm.LSh.Imm(asm.R1, wordsShift),
		asm.Add.Imm(asm.R1, headerLen),
		asm.LoadMem(asm.R0, asm.R2, headerLen+ipv4Proto, asm.Byte),
		asm.Ja.Label("transport"),

		asm.Mov.Imm(asm.R1, headerLen+ipv6Len).WithSymbol("ipv6"),
		asm.LoadMem(asm.R0, asm.R2, headerLen+ipv6Next, asm.Byte),

		asm.JEq.Imm(asm.R0, protoTCP, "tcp").WithSymbol("transport"),
		asm.JNE.Imm(asm.R0, protoUDP, "punt"),
		asm.Add.Imm(asm.R1, udpLen),
		asm.Ja.Label("segment"),

		asm.Add.Reg(asm.R2, asm.R1).WithSymbol("tcp"),
		asm.Mov.Reg(asm.R0, asm.R2),
		asm.Add.Imm(asm.R0, tcpLen),
		asm.JGT.Reg(asm.R0, asm.R3, "punt"),
		asm.LoadMem(asm.R0, asm.R2, tcpDoff, asm.Byte),
		asm.RSh.Imm(asm.R0, 4),
		asm.LSh.Imm(asm.R0, wordsShift),
		asm.Add.Reg(asm.R1, asm.R0),

		asm.Add.Reg(asm.R1, asm.R5).WithSymbol("segment"),
		asm.JSGT.Reg(asm.R1, asm.R4, "punt"),
	)
}
