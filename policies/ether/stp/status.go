package stp

// Status is what a Bridge knows of its tree. Times are in seconds.
type Status struct {
	BridgeID BridgeID
	RootID   BridgeID
	RootCost uint32 // of the path to the root
	RootPort int    // 0: this bridge is the root

	// The times in force, which are the root's.
	MaxAge, HelloTime, ForwardDelay int

	TopologyChange      bool   // one is going on
	TopologyChanges     uint64 // so far (14.8.1.1.3)
	SinceTopologyChange int    // since the last, if there was one

	Unsettled uint64 // events after which the machines did not come to rest: a fault of this package
}

// Status tells how the tree looks from here.
func (b *Bridge) Status() Status {
	return Status{
		BridgeID:            b.id,
		RootID:              b.rootPriority.root,
		RootCost:            b.rootPriority.cost,
		RootPort:            b.rootPortNumber(),
		MaxAge:              b.rootTimes.maxAge,
		HelloTime:           b.rootTimes.hello,
		ForwardDelay:        b.rootTimes.delay,
		TopologyChange:      b.tcWhile != 0,
		TopologyChanges:     b.tcCount,
		SinceTopologyChange: b.tcSince,
		Unsettled:           b.unsettled,
	}
}

// PortStatus is what a Bridge knows of one port.
type PortStatus struct {
	ID    PortID
	Role  Role
	State State
	Cost  uint32 // of the port

	// What is known of the LAN: its designated port, and that port's path to
	// the root.
	DesignatedRoot   BridgeID
	DesignatedCost   uint32
	DesignatedBridge BridgeID
	DesignatedPort   PortID

	Enabled      bool
	Edge         bool // no bridge is behind the port
	PointToPoint bool
	STP          bool // it sends BPDUs of STP, as there is an STP bridge
	Guarded      bool // BPDU guard disabled the port

	Received uint64 // BPDUs, the invalid ones included
	Invalid  uint64 // BPDUs received that make no sense
	Sent     uint64 // BPDUs
}

// PortStatus tells about a port, or false if it is not known.
func (b *Bridge) PortStatus(n int) (PortStatus, bool) {
	p := b.find(n)
	if p == nil {
		return PortStatus{}, false
	}
	return PortStatus{
		ID:               p.id,
		Role:             p.role,
		State:            p.state,
		Cost:             p.cfg.Cost,
		DesignatedRoot:   p.portPriority.root,
		DesignatedCost:   p.portPriority.cost,
		DesignatedBridge: p.portPriority.bridge,
		DesignatedPort:   p.portPriority.port,
		Enabled:          p.enabled(),
		Edge:             p.operEdge,
		PointToPoint:     p.cfg.PointToPoint,
		STP:              !p.sendRSTP,
		Guarded:          p.tripped,
		Received:         p.received,
		Invalid:          p.invalid,
		Sent:             p.sent,
	}, true
}
