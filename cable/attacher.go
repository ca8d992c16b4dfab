package cable

import (
	"strings"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
)

func init() {
	bus.RegisterFile(bus.File{
		Place: bus.InNetwork, Name: "cable", Summary: "the cables that join the network to others elsewhere",
		Rule: bus.Managed, Set: attacher{},
	})
}

// attacher serves the file cable.
type attacher struct{}

var (
	_ bus.Attacher = attacher{}
	_ bus.Saver    = attacher{}
)

// Attach is bus.Attacher's. It waits a second at most for the first link; that there is
// none yet is no refusal.
func (attacher) Attach(n *bus.Network, by bus.Caller, line string) error {
	c, err := open(n, by, line)
	if err != nil {
		return err
	}
	select {
	case <-c.first:
	case <-c.done:
	case <-time.After(firstWait):
	}
	return nil
}

// Detach is bus.Attacher's. It returns when nothing is left.
func (attacher) Detach(n *bus.Network, by bus.Caller, line string) error {
	name, err := parseDetach(line)
	if err != nil {
		return err
	}
	c, err := find(n, name)
	if err != nil {
		return err
	}
	if by.UID != 0 && by.UID != c.info.UID {
		return fail.Errorf(fail.Denied, "cable %s was laid by uid %d: only he and root may take it off", name, c.info.UID)
	}
	c.finish(nil)
	return nil
}

// List is bus.Attacher's.
func (attacher) List(n *bus.Network) string {
	var lines []string
	names := netns.Names()
	for _, c := range cables(n) {
		lines = append(lines, c.show(names))
	}
	return strings.Join(lines, "\n")
}

// Save is bus.Saver's.
func (attacher) Save(n *bus.Network) (commands []string) {
	names := netns.Names()
	if own, err := netns.Current(); err == nil {
		names[own.ID()] = ""
		own.Close()
	}
	for _, c := range cables(n) {
		if command := c.save(names); command != "" {
			commands = append(commands, command)
		}
	}
	return commands
}
