package l2switch

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/stp"
)

// The files switch/stp and ports/N/stp.

// readSTP shows the settings, in the words that a write takes, and then each tree.
func (s *Switch) readSTP() string {
	var b strings.Builder
	c := s.spanning.config
	fmt.Fprintf(&b, "%s priority=%d hello=%d max_age=%d forward_delay=%d tx_hold=%d mac=%s\n", stpModes[s.mode.Load().stp],
		c.Priority, c.HelloTime, c.MaxAge, c.ForwardDelay, c.TxHoldCount, net.HardwareAddr(c.MAC[:]))
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

// portLine tells how a port is in a tree.
func (t *tree) portLine(number int) string {
	st, ok := t.bridge.PortStatus(number)
	if !ok {
		return ""
	}
	line := fmt.Sprintf("vlan=%d role=%s state=%s designated=%s/%s edge=%s received=%d sent=%d", t.vlan,
		strings.ToLower(st.Role.String()), strings.ToLower(st.State.String()), st.DesignatedBridge, st.DesignatedPort, onOff(st.Edge), st.Received, st.Sent)
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

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// writeSTP takes a mode, and settings of the bridge.
func (s *Switch) writeSTP(command string) error {
	want, c := s.mode.Load().stp, s.spanning.config
	for _, word := range strings.Fields(command) {
		if i := indexOf(stpModes, word); i >= 0 {
			want = stpMode(i)
			continue
		}
		name, value, ok := strings.Cut(word, "=")
		var err error
		switch {
		case !ok:
			err = fail.Errorf(fail.Invalid, "unknown word %q: off, rstp, per-vlan, or priority=, hello=, max_age=, forward_delay=, tx_hold=, mac=", word)
		case name == "priority":
			var v int
			v, err = parseInt(name, value, 0, 61440)
			c.Priority = uint16(v)
		case name == "hello":
			c.HelloTime, err = parseInt(name, value, 1, 2)
		case name == "max_age":
			c.MaxAge, err = parseInt(name, value, 6, 40)
		case name == "forward_delay":
			c.ForwardDelay, err = parseInt(name, value, 4, 30)
		case name == "tx_hold":
			c.TxHoldCount, err = parseInt(name, value, 1, 10)
		case name == "mac":
			c.MAC, err = parseMAC(value)
		default:
			err = fail.Errorf(fail.Invalid, "unknown setting %q: one of priority, hello, max_age, forward_delay, tx_hold, mac", name)
		}
		if err != nil {
			return err
		}
	}
	if want == stpPerVLAN && !s.mode.Load().vlans {
		return fail.Errorf(fail.Invalid, "a tree for each VLAN needs VLANs: echo on > switch/vlan first")
	}
	return s.setMode(want, c)
}

// The settings of a port, as a write takes them.
func portSTPString(c stp.PortConfig) string {
	edge := "off"
	switch {
	case c.AdminEdge:
		edge = "on"
	case c.AutoEdge:
		edge = "auto"
	}
	return fmt.Sprintf("cost=%d priority=%d edge=%s p2p=%s guard=%s root_guard=%s", c.Cost, c.Priority, edge,
		onOff(c.PointToPoint), onOff(c.Guard), onOff(c.RootGuard))
}

// readPortSTP shows a port's settings, and then how it is in each of its trees.
func (s *Switch) readPortSTP(b policy.Port) string {
	text := portSTPString(s.configOf(b).stp)
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
	for _, word := range strings.Fields(command) {
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch name {
		case "cost":
			var v int
			v, err = parseInt(name, value, 1, 200_000_000)
			c.Cost = uint32(v)
		case "priority":
			var v int
			v, err = parseInt(name, value, 0, 240)
			c.Priority = uint8(v)
		case "edge":
			c.AdminEdge, c.AutoEdge = value == "on", value != "off"
			config.set |= setEdge
			if value != "auto" {
				_, err = parseOnOff(name, value)
			}
		case "p2p":
			c.PointToPoint, err = parseOnOff(name, value)
		case "guard":
			c.Guard, err = parseOnOff(name, value)
		case "root_guard":
			c.RootGuard, err = parseOnOff(name, value)
			config.set |= setRootGuard
		default:
			err = fail.Errorf(fail.Invalid, "unknown setting %q: cost=, priority=, edge=on|off|auto, p2p=, guard=, root_guard=on|off", name)
		}
		if err != nil {
			return err
		}
	}
	if err := c.Check(); err != nil {
		return fail.Errorf(fail.Range, "%v", err)
	}
	return nil
}

func parseOnOff(name, value string) (bool, error) {
	if value != "on" && value != "off" {
		return false, fail.Errorf(fail.Invalid, "%s=%s: must be on or off", name, value)
	}
	return value == "on", nil
}

// parseInt reads a decimal number within a range.
func parseInt(what, text string, low, high int) (int, error) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, fail.Errorf(fail.Invalid, "%s %q: must be a number, %d to %d", what, text, low, high)
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < low || v > high {
		return 0, fail.Errorf(fail.Range, "%s %s: must be %d to %d", what, text, low, high)
	}
	return v, nil
}
