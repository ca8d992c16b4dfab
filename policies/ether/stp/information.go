package stp

// information is the Port Information machine (17.27): what the port knows of
// the root and of the designated port of its LAN, and how old that is.
func (p *port) information() bool {
	switch {
	case !p.enabled():
		if p.infoIs == infoDisabled && !p.rcvdMsg {
			return false
		}
		p.rcvdMsg = false
		p.proposing, p.proposed, p.agree, p.agreed = false, false, false, false
		p.rcvdInfoWhile = 0
		p.renew(infoDisabled)
	case p.infoIs == infoDisabled:
		p.renew(infoAged)
	case p.selected && p.updtInfo:
		p.update()
	case p.infoIs == infoAged:
		return false // until roles are selected
	case p.rcvdMsg && !p.updtInfo:
		p.rcvdMsg = false
		p.message()
	case p.infoIs == infoReceived && p.rcvdInfoWhile == 0 && !p.updtInfo:
		p.renew(infoAged)
	default:
		return false
	}
	return true
}

// renew says where the port's information comes from now, which calls for a
// new selection of roles.
func (p *port) renew(from infoIs) {
	p.infoIs = from
	p.selected = false
	p.bridge.reselect = true
}

// update makes the bridge's own information that of the port (UPDATE).
func (p *port) update() {
	p.proposing, p.proposed = false, false
	order := p.designatedPriority.compare(p.portPriority)
	switch {
	case p.infoIs != infoMine:
	case order < 0:
		p.betterWhile = inFlight
	case order > 0 && p.betterWhile > 0:
		p.doubtWhile = inFlight
	}
	// Who agreed to worse information agreed to this as well (betterorsameInfo).
	p.agreed = p.agreed && p.infoIs == infoMine && order <= 0
	p.synced = p.synced && p.agreed
	p.portPriority, p.portTimes = p.designatedPriority, p.designatedTimes
	p.updtInfo, p.infoIs, p.newInfo = false, infoMine, true
}

// message takes the message in p.msg. It joins RECEIVE, with rcvInfo (17.21.8),
// and the states that follow.
func (p *port) message() {
	m := &p.msg
	if m.kind == tcnBPDU {
		p.rcvdTcn = true
		return
	}
	self := vector{bridge: p.bridge.id, port: p.id}
	switch designated := m.flags&roleMask == roleDesignated; {
	case designated && m.vector.sameSource(self):
		p.disputed, p.agreed = true, false // the port hears itself
	case designated && (m.vector.superior(p.portPriority) || m.vector == p.portPriority && m.times != p.portTimes):
		p.superiorDesignated()
	case designated && m.vector == p.portPriority: // REPEATED_DESIGNATED
		p.recordProposal()
		p.setTcFlags()
		p.updtRcvdInfoWhile()
	case designated: // INFERIOR_DESIGNATED
		p.recordDispute()
	case m.vector.compare(p.portPriority) >= 0: // NOT_DESIGNATED
		p.recordAgreement()
		p.setTcFlags()
	}
}

// superiorDesignated takes the message for what the port knows now.
func (p *port) superiorDesignated() {
	p.agreed, p.proposing = false, false
	p.recordProposal()
	p.setTcFlags()
	// The agreement that was sent holds for better information too
	// (betterorsameInfo).
	p.agree = p.agree && p.infoIs == infoReceived && p.msg.vector.compare(p.portPriority) <= 0
	p.portPriority, p.portTimes = p.msg.vector, p.msg.times // recordPriority, recordTimes
	p.updtRcvdInfoWhile()
	if p.rcvdInfoWhile == 0 {
		p.renew(infoAged) // too old already: never believed
		return
	}
	p.renew(infoReceived)
}

// recordAgreement is 17.21.9.
func (p *port) recordAgreement() {
	p.agreed = p.bridge.rstpVersion() && p.cfg.PointToPoint && p.msg.flags&flagAgreement != 0 && p.doubtWhile == 0
	if p.agreed {
		p.proposing = false
	}
}

// recordDispute is 17.21.10: somebody forwards on this LAN who must not have
// heard this port, as a link that passes frames one way only does.
func (p *port) recordDispute() {
	if p.msg.flags&flagLearning != 0 {
		p.disputed, p.agreed = true, false
	}
}

// recordProposal is 17.21.11.
func (p *port) recordProposal() {
	if p.msg.flags&flagProposal != 0 {
		p.proposed = true
	}
}

// setTcFlags is 17.21.17.
func (p *port) setTcFlags() {
	p.rcvdTc = p.rcvdTc || p.msg.flags&flagTC != 0
	p.rcvdTcAck = p.rcvdTcAck || p.msg.flags&flagTCAck != 0
}

// updtRcvdInfoWhile is 17.21.23.
func (p *port) updtRcvdInfoWhile() {
	p.rcvdInfoWhile = 0
	if p.portTimes.age+1 <= p.portTimes.maxAge {
		p.rcvdInfoWhile = 3 * p.portTimes.hello
	}
}
