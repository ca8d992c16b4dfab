package iface

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// splice leads the frames of a grabbed interface to a pair of veth devices beside it,
// whose other end is a port of the plane, and back:
//
//	wire - interface -- ingress: to the peer of near ----> the plane
//	wire - interface <- ingress of near: to the interface - the plane
//
// Nothing else gets by: the host has no use for near, and what it sends by it all the same is
// dropped. The programs end when splice is closed, at the latest with the process.
type splice []link.Link

// newSplice splices the interface of an index with the pair whose end in the same
// namespace, that of the calling thread, has the index near.
func newSplice(index, near int) (s splice, err error) {
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	for _, way := range []detour{
		{"ipnfs_unused", near, ebpf.AttachTCXEgress, asm.Instructions{asm.Mov.Imm(asm.R0, tcxDrop)}},
		{"ipnfs_out", near, ebpf.AttachTCXIngress, redirect(asm.FnRedirect, index)},
		{"ipnfs_in", index, ebpf.AttachTCXIngress, redirect(asm.FnRedirectPeer, near)}, // from now on frames come
	} {
		l, err := way.attach()
		if err != nil {
			return s, fmt.Errorf("%s: %w", way.name, explain(err))
		}
		s = append(s, l)
	}
	return s, nil
}

// detour is one program of a splice.
type detour struct {
	name   string
	at     int // index of the interface
	where  ebpf.AttachType
	action asm.Instructions
}

func (d *detour) attach() (link.Link, error) {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: d.name, Type: ebpf.SchedCLS, Instructions: append(d.action, asm.Return()), License: "BSD",
	})
	if err != nil {
		return nil, err
	}
	defer closeProgram(program)
	return attachFirst(program, d.at, d.where, 0)
}

// redirect is a program's last call: the frame goes on at another interface.
func redirect(helper asm.BuiltinFunc, index int) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R1, int32(index)),
		asm.Mov.Imm(asm.R2, 0),
		helper.Call(),
	}
}

// Close ends it.
func (s splice) Close() {
	for _, l := range s {
		_ = l.Close()
	}
}
