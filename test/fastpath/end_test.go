package fastpath

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"ipnfs/test/harness"
)

// kernelObjects lists the programs and maps of eBPF that the machine has.
func kernelObjects(t *testing.T) (programs []ebpf.ProgramID, maps []ebpf.MapID) {
	t.Helper()
	return idsFrom(t, ebpf.ProgramGetNextID), idsFrom(t, ebpf.MapGetNextID)
}

func idsFrom[ID ebpf.ProgramID | ebpf.MapID](t *testing.T, next func(ID) (ID, error)) (list []ID) {
	t.Helper()
	for id := ID(0); ; {
		var err error
		if id, err = next(id); errors.Is(err, os.ErrNotExist) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, id)
	}
}

// within tells whether all of some are among others.
func within[ID comparable](some, others []ID) bool {
	return !slices.ContainsFunc(some, func(id ID) bool { return !slices.Contains(others, id) })
}

// However a daemon ends, or what it forwards for: no interface, program or map is left.
func TestNothingIsLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(l *lan)
	}{
		{"SIGKILL", func(l *lan) { l.Kill(l.t) }},
		{"SIGTERM", func(l *lan) { l.End(l.t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			programs, maps := kernelObjects(t)
			m := mount(t)
			l, a, b := pairLAN(t, m, "left")
			if p, _ := kernelObjects(t); len(p) <= len(programs) {
				t.Fatal("the daemon has no program in the kernel")
			}
			ab, ba := unicast(there, a, b, 0), unicast(back, b, a, 0)
			ab.await(a, few(5_000))
			c.end(l)
			harness.Eventually(t, "the interfaces to be gone", func() bool { return !a.Has("eth0") && !b.Has("eth0") })
			ab.end()
			ba.end()
			harness.Eventually(t, "programs and maps to be gone", func() bool {
				p, m := kernelObjects(t)
				return within(p, programs) && within(m, maps)
			})
		})
	}
}

// A network whose last port has gone holds no descriptor, and may begin anew.
func TestComesAndGoes(t *testing.T) {
	m := mount(t)
	var open []string // after the first time, with what is opened once and for all
	for i := range 5 {
		t.Run("", func(t *testing.T) { pairLAN(t, m, "again") })
		if i == 0 {
			open = m.Descriptors(t)
		}
	}
	harness.Eventually(t, "the daemon's descriptors to be closed", func() bool { return len(m.Descriptors(t)) <= len(open) })
}
