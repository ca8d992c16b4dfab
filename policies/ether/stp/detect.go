package stp

// migration is the state of the Port Protocol Migration machine (17.24).
type migration uint8

const (
	checkingRSTP migration = iota
	selectingSTP
	sensing
)

// migrate is the Port Protocol Migration machine (17.24): a port that hears an
// STP bridge sends STP, and goes back when it hears RSTP. After each change it
// sticks to its choice for a while, so that neighbours can follow.
func (p *port) migrate() bool {
	switch p.migration {
	case checkingRSTP:
		switch {
		case !p.enabled() && p.mdelayWhile != migrateTime:
			p.checkRSTP()
		case p.mdelayWhile == 0:
			p.sense()
		default:
			return false
		}
	case selectingSTP:
		if p.mdelayWhile != 0 && p.enabled() {
			return false
		}
		p.sense()
	case sensing:
		switch {
		case !p.enabled() || p.bridge.rstpVersion() && !p.sendRSTP && p.rcvdRSTP:
			p.checkRSTP()
		case p.sendRSTP && p.rcvdSTP: // SELECTING_STP
			p.migration, p.sendRSTP, p.mdelayWhile = selectingSTP, false, migrateTime
		default:
			return false
		}
	}
	return true
}

// checkRSTP enters CHECKING_RSTP.
func (p *port) checkRSTP() {
	p.migration = checkingRSTP
	p.sendRSTP, p.mdelayWhile = p.bridge.rstpVersion(), migrateTime
}

// sense enters SENSING.
func (p *port) sense() {
	p.migration, p.rcvdRSTP, p.rcvdSTP = sensing, false, false
}

// detect is the Bridge Detection machine (17.25): is there no bridge at the
// other end? Receive clears operEdge.
func (p *port) detect() bool {
	edge := p.operEdge
	switch {
	case !p.enabled():
		edge = p.cfg.AdminEdge
	case p.cfg.AutoEdge && p.sendRSTP && p.proposing && p.edgeDelayWhile == 0:
		edge = true
	}
	changed := edge != p.operEdge
	p.operEdge = edge
	return changed
}
