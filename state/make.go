package state

import (
	"slices"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// Make makes the network that n tells, or refuses and leaves nothing behind. Until
// it is whole its door gives rights to nobody.
//
// connect, if it is not nil, is called when what needs nobody is in force: it
// connects what n.Attached tells, by bus.AttacherOf, and whoever else has a port,
// each at its number. What n tells of a port that is not connected then, and not
// reserved, is left out.
func Make(b *bus.Bus, n Network, connect func(*bus.Network) error) error {
	closed := bus.Access{UID: n.Door.UID, GID: n.Door.GID}
	net, err := b.Create(n.Name, n.Policy, n.Dir, closed)
	if err != nil {
		return err
	}
	if err := n.fill(net, connect); err != nil {
		net.End()
		return err
	}
	net.ChangeDoorAccess(func(a *bus.Access) { *a = n.Door })
	return nil
}

// fill puts in force on net, which is new, what n tells.
func (n *Network) fill(net *bus.Network, connect func(*bus.Network) error) error {
	if err := set(net, bus.NetworkSettings, n.Settings); err != nil {
		return err
	}
	if err := writePolicy(net, n.Values); err != nil {
		return err
	}
	for i := range n.Ports {
		if port := &n.Ports[i]; port.Reserved {
			p, err := net.Reserve(port.Number)
			if err != nil {
				return err
			}
			if err := port.fill(p); err != nil {
				return err
			}
		}
	}
	if connect != nil {
		if err := connect(net); err != nil {
			return err
		}
	}
	return n.fillLate(net)
}

// fillLate puts in force what is for connected ports. Their holders may leave at
// any time, so what is for none is no error.
func (n *Network) fillLate(net *bus.Network) error {
	for i := range n.Ports {
		port := &n.Ports[i]
		if p := net.Port(port.Number); p != nil && !port.Reserved {
			if err := port.fill(p); err != nil && fail.KindOf(err) != fail.Gone {
				return err
			}
		}
	}
	for i := range n.Late {
		if err := writePolicy(net, n.Late[i:i+1]); err != nil && fail.KindOf(err) != fail.Unknown {
			return err
		}
	}
	return writePolicy(net, nil) // Gone, if the network has ended with its last port
}

// fill puts in force on p, which exists, what port tells.
func (port *Port) fill(p *bus.Port) error {
	if port.Access != nil {
		p.ChangeAccess(func(a *bus.Access) { *a = *port.Access })
	}
	if err := set(p, bus.PortSettings, port.Settings); err != nil {
		return err
	}
	return p.UsePolicy(func(current policy.Policy) error {
		writers := map[string]func(string) error{}
		if knobber, ok := current.(policy.PortKnobber); ok {
			for _, k := range knobber.PortKnobs() {
				if k.Set != nil {
					writers[k.Name] = func(text string) error { return k.Set(p, text) }
				}
			}
		}
		return write(current, writers, port.Values)
	})
}

// set puts settings of a network or port in force.
func set[T any](of T, settings []bus.Setting[T], list []Line) error {
	for _, l := range list {
		i := slices.IndexFunc(settings, func(s bus.Setting[T]) bool { return s.Name == l.File })
		if i < 0 {
			return fail.Errorf(fail.Invalid, "there is no setting %q", l.File)
		}
		if err := settings[i].Set(of, l.Text); err != nil {
			return err
		}
	}
	return nil
}

// writePolicy writes lines to the tables and knobs of a network's policy.
func writePolicy(net *bus.Network, list []Line) error {
	return net.UsePolicy(func(current policy.Policy) error {
		writers := map[string]func(string) error{}
		if knobber, ok := current.(policy.Knobber); ok {
			for _, k := range knobber.Knobs() {
				writers[k.Name] = k.Set
			}
		}
		if tabler, ok := current.(policy.Tabler); ok {
			for _, t := range tabler.Tables() {
				writers[t.Name] = t.Write
			}
		}
		return write(current, writers, list)
	})
}

func write(current policy.Policy, writers map[string]func(string) error, list []Line) error {
	for _, l := range list {
		if writers[l.File] == nil {
			return fail.Errorf(fail.Invalid, "policy %s has no %q that can be written", current.Name(), l.File)
		}
		if err := writers[l.File](l.Text); err != nil {
			return err
		}
	}
	return nil
}
