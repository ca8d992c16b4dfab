package stp

// learning and forwarding tell what the port does now; learn and forward, what
// it shall do.
func (p *port) learning() bool   { return p.state != Discarding }
func (p *port) forwarding() bool { return p.state == Forwarding }

// transitState is the Port State Transition machine (17.30).
func (p *port) transitState() bool {
	switch {
	case p.state == Discarding && p.learn:
		p.state = Learning
	case p.state == Learning && !p.learn, p.state == Forwarding && !p.forward:
		p.state = Discarding
	case p.state == Learning && p.forward:
		p.state = Forwarding
	default:
		return false
	}
	p.bridge.out.SetState(p.n, p.state)
	return true
}

// transit is the Port Role Transitions machine (17.29). Its states are the
// roles; a port that is to be blocked, or disabled, is that when its state
// follows.
func (p *port) transit() bool {
	switch {
	case !p.selected || p.updtInfo:
		return false
	case p.role != p.selectedRole:
		if p.role == Root && p.selectedRole == Designated && p.sendRSTP {
			p.reRoot = true // even if there is no new root port that asks for it
		}
		p.role = p.selectedRole
		if p.role != Root && p.role != Designated {
			p.learn, p.forward = false, false // BLOCK_PORT, DISABLE_PORT
		}
		return true
	case p.role == Root:
		return p.rootPort()
	case p.role == Designated:
		return p.designatedPort()
	case p.learning():
		return false
	case p.role == Disabled:
		return p.rest(p.maxAge())
	default:
		return p.alternatePort()
	}
}

// rest keeps a blocked port ready for another role: DISABLED_PORT and
// ALTERNATE_PORT.
func (p *port) rest(delay int) bool {
	if p.fdWhile == delay && p.synced && p.rrWhile == 0 && !p.sync && !p.reRoot {
		return false
	}
	p.fdWhile, p.synced, p.rrWhile, p.sync, p.reRoot = delay, true, 0, false, false
	return true
}

// alternatePort serves Alternate and Backup.
func (p *port) alternatePort() bool {
	b := p.bridge
	switch {
	case p.proposed && !p.agree: // ALTERNATE_PROPOSED
		b.setSyncTree()
		p.proposed = false
	case p.proposed || !p.agree && b.allSynced(): // ALTERNATE_AGREED
		p.proposed, p.agree, p.newInfo = false, true, true
	case p.role == Backup && p.rbWhile != 2*p.helloTime(): // BACKUP_PORT
		p.rbWhile = 2 * p.helloTime()
	default:
		return p.rest(p.forwardDelay())
	}
	return true
}

func (p *port) rootPort() bool {
	b := p.bridge
	// A new root port may forward at once when no other port, that was the
	// root port of late, still forwards.
	may := p.fdWhile == 0 || b.rstpVersion() && p.rbWhile == 0 && b.reRooted(p)
	switch {
	case p.rrWhile != p.fwdDelay(): // ROOT_PORT
		p.rrWhile = p.fwdDelay()
	case p.proposed && !p.agree: // ROOT_PROPOSED
		b.setSyncTree()
		p.proposed = false
	case p.proposed || !p.agree && b.allSynced(): // ROOT_AGREED
		p.proposed, p.sync, p.agree, p.newInfo = false, false, true, true
	case !p.learn && may: // ROOT_LEARN
		p.learn, p.fdWhile = true, p.forwardDelay()
	case !p.forward && p.learn && may: // ROOT_FORWARD
		p.forward, p.fdWhile = true, 0
	case !p.forward && !p.reRoot: // REROOT
		b.setReRootTree()
	case p.forward && p.reRoot: // REROOTED
		p.reRoot = false
	default:
		return false
	}
	return true
}

func (p *port) designatedPort() bool {
	may := (p.fdWhile == 0 || p.agreed || p.operEdge) && (p.rrWhile == 0 || !p.reRoot) && !p.sync
	mayNot := (p.sync && !p.synced || p.reRoot && p.rrWhile != 0 || p.disputed) && !p.operEdge
	switch {
	case mayNot && (p.learn || p.forward): // DESIGNATED_DISCARD
		p.learn, p.forward, p.disputed = false, false, false
		p.fdWhile = p.forwardDelay()
	case !p.learn && may: // DESIGNATED_LEARN
		p.learn, p.fdWhile = true, p.forwardDelay()
	case !p.forward && p.learn && may: // DESIGNATED_FORWARD
		p.forward, p.fdWhile, p.agreed = true, 0, p.sendRSTP
	case !p.forward && !p.agreed && !p.proposing && !p.operEdge: // DESIGNATED_PROPOSE
		p.proposing, p.newInfo = true, true
		p.edgeDelayWhile = p.edgeDelay()
	case p.sync && p.synced || !p.synced && (!p.learning() || p.agreed || p.operEdge): // DESIGNATED_SYNCED
		p.rrWhile, p.synced, p.sync = 0, true, false
	case p.reRoot && p.rrWhile == 0: // DESIGNATED_RETIRED
		p.reRoot = false
	default:
		return false
	}
	return true
}

// allSynced tells whether no port but the root port can be part of a loop
// until its own neighbour agrees (17.20.3).
func (b *Bridge) allSynced() bool {
	for _, p := range b.ports {
		if !p.selected || p.updtInfo || p.role != p.selectedRole || p.role != Root && !p.synced {
			return false
		}
	}
	return true
}

// reRooted tells whether no other port was the root port of late (17.20.10).
func (b *Bridge) reRooted(root *port) bool {
	for _, p := range b.ports {
		if p != root && p.rrWhile != 0 {
			return false
		}
	}
	return true
}

// setSyncTree asks all ports to become synced (17.21.14).
func (b *Bridge) setSyncTree() {
	for _, p := range b.ports {
		p.sync = true
	}
}

// setReRootTree asks former root ports to retire (17.21.15).
func (b *Bridge) setReRootTree() {
	for _, p := range b.ports {
		p.reRoot = true
	}
}
