package state

import (
	"runtime"
	"strings"

	"ipnfs/bus"
	"ipnfs/bus/policy"
)

// Of tells what net is. It takes the network's lock several times, never for
// long.
func Of(net *bus.Network) Network {
	return of(net, func(t policy.Table) func() []string { return t.Save })
}

// of is Of with what saver tells of tables.
func of(net *bus.Network, saver func(policy.Table) func() []string) Network {
	n := Network{Name: net.Name(), Settings: lines(net, bus.NetworkSettings), Policy: net.PolicySpec()}
	n.Dir, n.Door = net.Access()
	n.readPolicy(net, saver)
	for i, number := range net.Ports() {
		if i%64 == 63 {
			runtime.Gosched() // what carries frames comes first
		}
		if p := net.Port(number); p != nil {
			if port := portOf(p); port.Reserved || port.setUp() {
				n.Ports = append(n.Ports, port)
			}
		}
	}
	for _, file := range bus.Attachers() {
		if saver, ok := bus.AttacherOf(file).(bus.Saver); ok {
			n.Attached = appendLines(n.Attached, file, saver.Save(net)...)
		}
	}
	return n
}

func portOf(p *bus.Port) Port {
	port := Port{Number: p.Number(), Reserved: p.Info().Reserved, Access: p.OwnAccess(), Settings: lines(p, bus.PortSettings)}
	_ = p.UsePolicy(func(current policy.Policy) error { // a port that has gone has no values
		if knobber, ok := current.(policy.PortKnobber); ok {
			for _, k := range knobber.PortKnobs() {
				port.Values = append(port.Values, knobLines(k, p)...)
			}
		}
		return nil
	})
	return port
}

// setUp tells whether there is anything to set.
func (port *Port) setUp() bool {
	return port.Access != nil || len(port.Settings) > 0 || len(port.Values) > 0
}

// readPolicy tells what the policy keeps: knobs before tables, which may depend
// on them.
func (n *Network) readPolicy(net *bus.Network, saver func(policy.Table) func() []string) {
	var tables []policy.Table
	_ = net.UsePolicy(func(current policy.Policy) error { // a network that has ended has no values
		if knobber, ok := current.(policy.Knobber); ok {
			for _, k := range knobber.Knobs() {
				if k.Set != nil {
					n.Values = append(n.Values, Line{k.Name, k.Get()})
				}
			}
		}
		if tabler, ok := current.(policy.Tabler); ok {
			for _, t := range tabler.Tables() {
				switch t.Save = saver(t); {
				case t.Save == nil:
				case t.Cost != nil:
					tables = append(tables, t)
				default:
					n.add(t)
				}
			}
		}
		return nil
	})
	for _, t := range tables { // they may be long and need no lock
		n.add(t)
	}
}

func (n *Network) add(t policy.Table) {
	to := &n.Values
	if t.Late {
		to = &n.Late
	}
	*to = appendLines(*to, t.Name, t.Save()...)
}

func knobLines(k policy.PortKnob, p *bus.Port) []Line {
	if k.Set == nil {
		return nil
	}
	if k.Save != nil {
		return appendLines(nil, k.Name, k.Save(p))
	}
	first, _, _ := strings.Cut(k.Get(p), "\n")
	return appendLines(nil, k.Name, first)
}

// lines are the settings of a network or a port that are its own.
func lines[T any](of T, settings []bus.Setting[T]) (list []Line) {
	for _, s := range settings {
		get := s.Get
		if s.Own != nil {
			get = s.Own
		}
		list = appendLines(list, s.Name, get(of))
	}
	return list
}

// appendLines adds texts for a file, but for empty ones.
func appendLines(list []Line, file string, texts ...string) []Line {
	for _, text := range texts {
		if text != "" {
			list = append(list, Line{file, text})
		}
	}
	return list
}
