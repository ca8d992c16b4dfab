package stp

// transmit is the Port Transmit machine (17.26): what there is to tell, and a
// hello now and then, but no more than TxHoldCount at once.
func (p *port) transmit() {
	if !p.enabled() {
		p.newInfo, p.txCount = true, 0
		return
	}
	if !p.selected || p.updtInfo {
		return
	}
	if p.helloWhen == 0 { // TRANSMIT_PERIODIC
		p.newInfo = p.newInfo || p.role == Designated || p.role == Root && p.tcWhile != 0
		p.helloWhen = p.helloTime()
	}
	if !p.newInfo || p.txCount >= p.bridge.cfg.TxHoldCount {
		return
	}
	var m bpdu
	switch {
	case p.role == Disabled:
		return
	case p.sendRSTP:
		m.kind, m.flags = rstBPDU, p.rstFlags()
	case p.role == Designated:
		m.kind, m.flags = configBPDU, p.tcFlag()
		if p.tcAck {
			m.flags |= flagTCAck
		}
	case p.role == Root:
		m.kind = tcnBPDU
	default:
		return // an STP bridge hears nothing from a blocked port
	}
	p.newInfo = false
	if m.kind != tcnBPDU {
		m.vector, m.times = p.designatedPriority, p.designatedTimes
		p.tcAck = false
	}
	p.helloWhen = p.helloTime()
	p.txCount++
	p.sent++
	b := p.bridge
	m.encode(&b.frame, b.cfg.MAC)
	b.out.Send(p.n, b.frame[:])
}

// tcFlag is the topology change flag, if it is to be set.
func (p *port) tcFlag() uint8 {
	if p.tcWhile != 0 {
		return flagTC
	}
	return 0
}

// rstFlags are the flags of an RST BPDU (17.21.20).
func (p *port) rstFlags() uint8 {
	flags := p.tcFlag()
	switch p.role {
	case Root:
		flags |= roleRoot
	case Designated:
		flags |= roleDesignated
	default:
		flags |= roleAlternate
	}
	if p.agree {
		flags |= flagAgreement
	}
	if p.proposing {
		flags |= flagProposal
	}
	if p.learning() {
		flags |= flagLearning
	}
	if p.forwarding() {
		flags |= flagForwarding
	}
	return flags
}
