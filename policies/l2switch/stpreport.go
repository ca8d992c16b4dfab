package l2switch

import (
	"fmt"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/stp"
	"ipnfs/words"
)

// The files switch/stp and ports/N/stp.

// readSTP shows the settings, in the words that a write takes, and then each tree.
func (s *Switch) readSTP() string {
	var b strings.Builder
	fmt.Fprintln(&b, s.settingsOfSTP())
	for _, t := range s.spanning.sorted() {
		st := t.bridge.Status()
		fmt.Fprintf(&b, "tree vlan=%d bridge=%s root=%s cost=%d root_port=%d changes=%d", t.vlan, st.BridgeID, st.RootID, st.RootCost, st.RootPort, st.TopologyChanges)
		if st.TopologyChanges > 0 {
			fmt.Fprintf(&b, " last_change=%d", st.SinceTopologyChange)
		}
		b.WriteString("\n")
		for p := range s.ports.all {
			if line := t.portLine(p.number); line != "" {
				fmt.Fprintf(&b, "port=%d %s\n", p.number, line)
			}
		}
	}
	return b.String()
}

// settingsOfSTP are all words that a write takes.
func (s *Switch) settingsOfSTP() string {
	return s.timesOfSTP() + " mac=" + macString(s.spanning.config.MAC)
}

// givenOfSTP is settingsOfSTP without an address that was drawn.
func (s *Switch) givenOfSTP() string {
	if s.spanning.drawn {
		return s.timesOfSTP()
	}
	return s.settingsOfSTP()
}

// timesOfSTP are all words that a write takes, but for the address.
func (s *Switch) timesOfSTP() string {
	c := s.spanning.config
	return fmt.Sprintf("%s priority=%d hello=%d max_age=%d forward_delay=%d tx_hold=%d", stpModes[s.mode.Load().stp],
		c.Priority, c.HelloTime, c.MaxAge, c.ForwardDelay, c.TxHoldCount)
}

// portLine tells how a port is in a tree.
func (t *tree) portLine(number int) string {
	st, ok := t.bridge.PortStatus(number)
	if !ok {
		return ""
	}
	line := fmt.Sprintf("vlan=%d role=%s state=%s designated=%s/%s edge=%s received=%d sent=%d", t.vlan,
		strings.ToLower(st.Role.String()), strings.ToLower(st.State.String()), st.DesignatedBridge, st.DesignatedPort, words.FormatOnOff(st.Edge), st.Received, st.Sent)
	if st.Invalid > 0 {
		line += fmt.Sprintf(" invalid=%d", st.Invalid)
	}
	if st.STP {
		line += " neighbour=stp"
	}
	if st.Guarded {
		line += " guard=tripped"
	}
	return line
}

// writeSTP takes a mode, and settings of the bridge.
func (s *Switch) writeSTP(command string) error {
	want, c := s.mode.Load().stp, s.spanning.config
	drawn := c.MAC
	options := words.Options{
		words.One("priority", &c.Priority, words.Between[uint16](0, 61440)),
		words.One("hello", &c.HelloTime, words.Between(1, 2)),
		words.One("max_age", &c.MaxAge, words.Between(6, 40)),
		words.One("forward_delay", &c.ForwardDelay, words.Between(4, 30)),
		words.One("tx_hold", &c.TxHoldCount, words.Between(1, 10)),
		words.One("mac", &c.MAC, words.MAC),
	}
	for i, name := range stpModes {
		options = append(options, words.Option{Key: name, Set: func(string) error { want = stpMode(i); return nil }})
	}
	if err := options.Read(words.Split(command), nil); err != nil {
		return err
	}
	if want == stpPerVLAN && !s.mode.Load().vlans {
		return fail.Errorf(fail.Invalid, "a tree for each VLAN needs VLANs: echo on > switch/vlan first")
	}
	err := s.setMode(want, c)
	if err == nil {
		s.spanning.drawn = s.spanning.drawn && c.MAC == drawn
	}
	return err
}

// The settings of a port, as a write takes them: of those that may follow from
// the kind of port the ones of set.
func portSTPString(c stp.PortConfig, set uint8) string {
	text := fmt.Sprintf("cost=%d priority=%d", c.Cost, c.Priority)
	if set&setEdge != 0 {
		edge := "off"
		switch {
		case c.AdminEdge:
			edge = "on"
		case c.AutoEdge:
			edge = "auto"
		}
		text += " edge=" + edge
	}
	text += fmt.Sprintf(" p2p=%s guard=%s", words.FormatOnOff(c.PointToPoint), words.FormatOnOff(c.Guard))
	if set&setRootGuard != 0 {
		text += " root_guard=" + words.FormatOnOff(c.RootGuard)
	}
	return text
}

// readPortSTP shows a port's settings, and then how it is in each of its trees.
func (s *Switch) readPortSTP(b policy.Port) string {
	text := portSTPString(s.configOf(b).stp, setEdge|setRootGuard)
	for _, t := range s.spanning.sorted() {
		if line := t.portLine(b.Number()); line != "" {
			text += "\n" + line
		}
	}
	return text
}

// parsePortSTP reads settings of a port into c.
func parsePortSTP(config *config, command string) error {
	c := &config.stp
	err := words.Options{
		words.One("cost", &c.Cost, words.Between[uint32](1, 200_000_000)),
		words.One("priority", &c.Priority, words.Between[uint8](0, 240)),
		{Key: "edge", Value: true, Set: func(value string) error {
			i, err := words.OneOf("edge", value, "off", "auto", "on")
			c.AdminEdge, c.AutoEdge = i == 2, i != 0
			config.set |= setEdge
			return err
		}},
		words.One("p2p", &c.PointToPoint, words.OnOff),
		words.One("guard", &c.Guard, words.OnOff),
		{Key: "root_guard", Value: true, Set: func(value string) (err error) {
			c.RootGuard, err = words.OnOff("root_guard", value)
			config.set |= setRootGuard
			return err
		}},
	}.Read(words.Split(command), nil)
	if err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return fail.Errorf(fail.Range, "%v", err)
	}
	return nil
}
