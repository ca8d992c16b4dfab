package ether_test

import (
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/vlan"
)

// bridge is a second user of what switches share: it learns, and each port is
// untagged in VLAN 1 and tagged in VLAN 2.
type bridge struct {
	fdb    *fdb.Table
	member vlan.Member
	ports  atomic.Pointer[map[int]policy.Port] // immutable
}

const bridgeName = "ether-bridge"

func init() {
	policy.Register(policy.Type{Name: bridgeName, Summary: "for tests: a bare bridge", New: func(args map[string]string) (policy.Policy, error) {
		for key := range args {
			return nil, fail.Errorf(fail.Invalid, "no argument %q", key)
		}
		b := &bridge{fdb: fdb.New(1000, nil), member: vlan.Member{PVID: 1, Tagged: &vlan.Set{}, TPID: vlan.TPIDC}}
		b.member.Tagged.Add(2)
		b.ports.Store(&map[int]policy.Port{})
		return b, nil
	}})
}

func (*bridge) Name() string { return bridgeName }

func (b *bridge) change(f func(map[int]policy.Port)) {
	ports := maps.Clone(*b.ports.Load())
	f(ports)
	b.ports.Store(&ports)
}

func (b *bridge) Join(p policy.Port) { b.change(func(m map[int]policy.Port) { m[p.Number()] = p }) }

func (b *bridge) Leave(p policy.Port) {
	b.change(func(m map[int]policy.Port) { delete(m, p.Number()) })
	b.fdb.FlushPort(p.Number(), true)
}

func (b *bridge) Tick(now time.Time) { b.fdb.Tick(uint32(now.Unix())) }

func (b *bridge) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
	data := f.Data()
	if len(data) < ether.HeaderLen || !ether.ValidSource(data) {
		out.Drop(frame.DropMalformed)
		return
	}
	t, ok := b.member.Classify(data)
	if !ok {
		out.Drop(frame.DropVLAN)
		return
	}
	r, _ := b.fdb.Learn(fdb.MakeKey(t.VLAN, [6]byte(data[6:12])), in.Number(), uint32(time.Now().Unix()))
	if r == fdb.Learned && (*b.ports.Load())[in.Number()] != in { // it left meanwhile
		b.fdb.FlushPort(in.Number(), true)
	}
	edit, _ := b.member.Egress(t)
	if !ether.ToGroup(data) {
		if n, ok := b.fdb.Lookup(fdb.MakeKey(t.VLAN, [6]byte(data[:6]))); ok {
			if to := (*b.ports.Load())[n]; to != nil && to != in {
				out.AddEdited(to, edit)
			} else {
				out.Drop(frame.DropFiltered)
			}
			return
		}
	}
	for _, to := range *b.ports.Load() {
		if to != in {
			out.AddEdited(to, edit)
		}
	}
}

func TestBridge(t *testing.T) { bustest.TestPolicy(t, bridgeName) }
