package fastpath

import (
	"net"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// guarded checks that what a host has put before its eth0 lets nothing pass, and
// everything when it is gone.
func guarded(t *testing.T, l *lan, a, b *host, put func() (undo func())) {
	t.Helper()
	s := unicast(there, a, b, 0)
	s.await(a, few(10_000))
	undo := put()
	first := s.next.Load()
	s.await(a, few(10_000))
	undone := s.sent.Load()
	undo()
	last := s.next.Load()
	s.await(a, few(10_000))
	end := s.end()
	b.deaf = true
	l.settle()
	if n := b.between(there, first, undone); n > 0 {
		t.Errorf("%d of %d frames came past it", n, undone-first)
	}
	lost := l.stats()
	if n, allow := b.between(there, last, end), barred(lost)+harness.Dropped(lost)+l.socketsLost(); n+allow < end-last {
		t.Errorf("afterwards %d of %d frames came: %v", n, end-last, lost)
	}
	b.checkOrder(there)
}

// XDP programs at a host's eth0 see what the kernel forwards, whether they take frames in
// several pieces or not.
func TestXDPSeesFrames(t *testing.T) {
	m := mount(t)
	for name, flags := range map[string]uint32{"frames in one piece": 0, "in several": unix.BPF_F_XDP_HAS_FRAGS} {
		t.Run(name, func(t *testing.T) {
			l, a, b := pairLAN(t, m, "xdp")
			drop, err := ebpf.NewProgram(&ebpf.ProgramSpec{
				Type:         ebpf.XDP,
				Flags:        flags,
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}, // XDP_DROP
				License:      "MIT",
			})
			if err != nil {
				t.Fatal(err)
			}
			defer drop.Close()
			guarded(t, l, a, b, func() func() {
				var attached link.Link
				b.In(func() error {
					i, err := net.InterfaceByName("eth0")
					if err == nil {
						attached, err = link.AttachXDP(link.XDPOptions{Program: drop, Interface: i.Index, Flags: link.XDPDriverMode})
					}
					return err
				})
				return func() {
					if err := attached.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// So do the rules of nftables at its ingress.
func TestNftablesSeeFrames(t *testing.T) {
	harness.NeedProgram(t, "nft")
	l, a, b := pairLAN(t, mount(t), "nft")
	nft := func(words string) string {
		t.Helper()
		out, err := b.Try("nft", words)
		if err != nil {
			t.Fatalf("nft %s: %v\n%s", words, err, out)
		}
		return out
	}
	nft("add table netdev t")
	nft("add chain netdev t in { type filter hook ingress device eth0 priority 0; }")
	nft("add rule netdev t in counter drop")
	if !l.alone(a, b) { // the packet socket stands before the rules
		t.Fatal("the kernel does not forward")
	}
	if text := nft("list table netdev t"); !strings.Contains(text, "packets 10 ") {
		t.Errorf("of 10 frames these were counted: %s", text)
	}
}

// A host's kernel takes for its own what is for its address only, as behind a bridge: frames
// to stations behind it, which the kernel forwards too, are not.
func TestOthersFrames(t *testing.T) {
	l, a, b := pairLAN(t, mount(t), "others")
	l.probe = 0
	b.say(address(99)) // who is behind b
	l.awaitAt(address(99), b.port)
	harness.Eventually(t, "the kernel to forward", func() bool {
		behind := &host{Host: b.Host, receiver: b.receiver, l: l, port: b.port, mac: address(99)}
		return l.alone(a, behind)
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.forOthers == 0 || b.forHost == 0 {
		t.Errorf("%d frames were for others, %d for the host", b.forOthers, b.forHost)
	}
	if b.wrongType > 0 {
		t.Errorf("of %d frames the kernel has told wrongly whose they are", b.wrongType)
	}
}
