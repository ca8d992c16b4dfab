package iface

import (
	"errors"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// programName is what the program is called, in all processes of ipnfs. They know
// each other's by this name and by the tag, the kernel's hash of the instructions:
// a version that changes these does not see older ones. Another's program with both
// drops all frames, too, and so is a grab. The kernel takes 15 bytes.
const programName = "ipnfs_grab"

// tcxDrop is TCX_DROP of linux/bpf.h: the frame goes no further.
const tcxDrop = 2

// hide keeps what comes in by an interface from the host: a program of one
// instruction, before all others at the interface's ingress, drops it. Packet
// sockets have seen it by then. It ends when it is closed, at the latest with
// the process. The interface is in the namespace of the calling thread.
func hide(index int) (link.Link, error) {
	program, err := newHider()
	if err != nil {
		return nil, explain(err)
	}
	defer closeProgram(program)
	for {
		others, err := ingress(index)
		if err != nil {
			return nil, explain(err)
		}
		l, err := attachFirst(program, index, ebpf.AttachTCXIngress, others.Revision)
		if !errors.Is(err, unix.ESTALE) { // another program came or went meanwhile
			return l, explain(err)
		}
	}
}

// attachFirst attaches a program before all others at an interface, if the list of these
// is the revision still; 0: any.
func attachFirst(p *ebpf.Program, index int, where ebpf.AttachType, revision uint64) (link.Link, error) {
	return link.AttachTCX(link.TCXOptions{
		Interface: index, Program: p, Attach: where, Anchor: link.Head(), ExpectedRevision: revision,
	})
}

// newHider loads the program of hide.
func newHider() (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         programName,
		Type:         ebpf.SchedCLS,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, tcxDrop), asm.Return()},
		License:      "BSD",
	})
}

// mayLoad tells whether the kernel lets this process load programs for network devices.
var mayLoad = sync.OnceValue(func() bool {
	program, err := newHider()
	if err != nil {
		return false
	}
	closeProgram(program)
	return true
})

// isHider tells whether a program is that of hide, in whichever process.
func isHider(info *ebpf.ProgramInfo) bool {
	if info.Name != programName {
		return false
	}
	ours, err := newHider()
	if err != nil {
		return true // it cannot be told: rather not two at one interface
	}
	defer closeProgram(ours)
	own, err := ours.Info()
	return err != nil || own.Tag == info.Tag
}

// ingress lists the programs at an interface's ingress. It is Busy if one is
// that of hide.
func ingress(index int) (*link.QueryResult, error) {
	found, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return nil, err
	}
	for _, p := range found.Programs {
		program, err := ebpf.NewProgramFromID(p.ID)
		if err != nil {
			continue // it has gone
		}
		info, err := program.Info()
		closeProgram(program)
		if err == nil && isHider(info) {
			return nil, fail.Errorf(fail.Busy, "it is grabbed already, by another ipnfs")
		}
	}
	return found, nil
}

// explain tells what is missing if the kernel has no TCX: the query knows the
// attach type not at all then (EINVAL).
func explain(err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL) {
		return fail.Errorf(fail.Unsupported, "hiding frames from the host takes TCX, which this kernel lacks (Linux 6.6, CONFIG_NET_XGRESS): with copy the host sees them too")
	}
	return err
}

// closeProgram gives our descriptor back. There is nothing to do if it fails.
func closeProgram(p *ebpf.Program) { _ = p.Close() }
