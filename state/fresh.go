package state

import (
	"slices"
	"strconv"
	"strings"

	"ipnfs/bus"
	"ipnfs/bus/policy"
	"ipnfs/words"
)

// given tells what people gave net, and nothing that it began with or that is for
// programs which have a port open now; and the attached.
func given(net *bus.Network) (Network, attached) {
	n := of(net, giver)
	n.leaveFresh()
	a := n.attached(net)
	n.leaveOpen(&a)
	return n, a
}

// attached is who attached what a network tells of, by the number of the port,
// and what else is attached and did not tell how to do so again: KIND at port N.
type attached struct {
	by   map[string]bus.Info
	lost []string
}

// attached looks for who attached what n tells of.
func (n *Network) attached(net *bus.Network) attached {
	a := attached{by: map[string]bus.Info{}}
	file := map[string]string{}
	for _, l := range n.Attached {
		file[l.port()] = l.File
	}
	files := bus.Attachers()
	for _, number := range net.Ports() {
		p := net.Port(number)
		if p == nil {
			continue
		}
		for _, c := range p.Info().Conns {
			switch number := strconv.Itoa(number); {
			case !slices.Contains(files, c.Kind):
			case file[number] == c.Kind:
				a.by[number] = c.Info
			default:
				a.lost = append(a.lost, c.Kind+" at port "+number)
			}
		}
	}
	return a
}

func giver(t policy.Table) func() []string {
	if t.Given != nil {
		return t.Given
	}
	return t.Save
}

// leaveFresh leaves out what a network and its ports have before anybody sets
// anything. One is made to be asked, as there is no other list of that. If its
// policy cannot be made any more, nothing is left out.
func (n *Network) leaveFresh() {
	b := bus.New(bus.DefaultLimits())
	defer b.Shutdown()
	net, err := b.Create("fresh", n.Policy, n.Dir, n.Door)
	if err != nil {
		return
	}
	fresh := of(net, giver)
	n.Settings, n.Values = less(n.Settings, fresh.Settings), less(n.Values, fresh.Values)
	// Ports began with what the knobs say.
	if setKnobs(net, n.Values) == nil {
		values := freshPort(net)
		for i := range n.Ports {
			n.Ports[i].Values = less(n.Ports[i].Values, values)
		}
	}
}

// less is list without the lines of others.
func less(list, others []Line) []Line {
	return slices.DeleteFunc(list, func(l Line) bool { return slices.Contains(others, l) })
}

// setKnobs writes those of the lines that are for knobs of net's policy.
func setKnobs(net *bus.Network, list []Line) error {
	return net.UsePolicy(func(current policy.Policy) error {
		knobber, ok := current.(policy.Knobber)
		if !ok {
			return nil
		}
		for _, k := range knobber.Knobs() {
			if i := slices.IndexFunc(list, func(l Line) bool { return l.File == k.Name }); i >= 0 {
				if err := k.Set(list[i].Text); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// freshPort lists what net's policy tells of a port where nothing was changed.
// Some tell nothing of it until something is set, and then all: so each knob is
// asked of a port where another one was set, to what it was.
func freshPort(net *bus.Network) (list []Line) {
	for number := 1; number <= 2; number++ {
		p, err := net.Reserve(number)
		if err != nil {
			return nil
		}
		err = p.UsePolicy(func(current policy.Policy) error {
			knobber, ok := current.(policy.PortKnobber)
			if !ok {
				return nil
			}
			knobs := slices.DeleteFunc(knobber.PortKnobs(), func(k policy.PortKnob) bool { return k.Set == nil })
			asked, set := knobs[min(1, len(knobs)):], knobs[:min(1, len(knobs))] // the first is set, the others are asked
			if number == 2 {
				asked, set = set, asked[:min(1, len(asked))]
			}
			for _, k := range set {
				text, _, _ := strings.Cut(k.Get(p), "\n")
				if err := k.Set(p, text); err != nil {
					return err
				}
			}
			for _, k := range asked {
				list = append(list, knobLines(k, p)...)
			}
			return nil
		})
		if err != nil {
			return nil
		}
	}
	return list
}

// leaveOpen leaves out what is for ports that are connected, but where nothing is
// attached, also what has gone meanwhile; and ports of which nothing is told.
func (n *Network) leaveOpen(a *attached) {
	is := func(number string) bool { _, is := a.by[number]; return is }
	n.Ports = slices.DeleteFunc(n.Ports, func(p Port) bool { return !p.Reserved && (!is(strconv.Itoa(p.Number)) || !p.setUp()) })
	n.Attached = slices.DeleteFunc(n.Attached, func(l Line) bool { return !is(l.port()) })
	n.Late = slices.DeleteFunc(n.Late, func(l Line) bool { return !is(l.port()) })
}

// port is the number that l gives as port=N.
func (l Line) port() (number string) {
	_, list := words.Name(l.Text)
	for _, w := range list {
		if w.Key == "port" {
			number = w.Value
		}
	}
	return number
}
