package bus

import (
	"fmt"
	"strings"

	"ipnfs/bus/fail"
)

// A refusal names at most so many holders of ports, in about so many bytes.
const (
	holdersNamed = 3
	holdersLen   = 120
)

// holdersLocked names who is connected to the ports, the first few.
//
// +checklocks:n.mu
// +checklocksignore: add is called with the lock held
func (n *Network) holdersLocked() string {
	var named []string
	length, all := 0, 0
	add := func(p *Port, holder string) {
		all++
		one := fmt.Sprintf("ports/%d (%s)", p.number, holder)
		length += len(one)
		if len(named) == 0 || len(named) < holdersNamed && length <= holdersLen {
			named = append(named, one)
		}
	}
	for _, p := range n.ports {
		switch {
		case p == nil:
		case len(p.conns) == 0:
			add(p, "reserved")
		default:
			for _, c := range p.conns {
				add(p, c.info.holder())
			}
		}
	}
	text := strings.Join(named, ", ")
	if more := all - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// holder tells who it is in a few words, such as "tap eth0, sh, pid 80".
func (i *Info) holder() string {
	text := i.Kind
	if i.Detail != "" {
		text += " " + fail.Quote(i.Detail)
	}
	if i.Comm != "" {
		text += ", " + fail.Quote(i.Comm)
	}
	if i.PID != 0 {
		text += fmt.Sprintf(", pid %d", i.PID)
	}
	return text
}
