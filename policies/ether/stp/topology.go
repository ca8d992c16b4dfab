package stp

// topology is the state of the Topology Change machine (17.31).
type topology uint8

const (
	tcInactive topology = iota
	tcLearning
	tcActive
)

// transitTopology is the Topology Change machine (17.31): a port that begins to
// forward may have moved stations, so all bridges forget what they learned by
// other ports than the one the news came by.
func (p *port) transitTopology() bool {
	inTree := p.role == Root || p.role == Designated
	told := p.rcvdTc || p.rcvdTcn || p.rcvdTcAck || p.tcProp
	switch p.topology {
	case tcInactive:
		if !p.learn {
			return false
		}
		p.enterLearning()
	case tcLearning:
		switch {
		case inTree && p.forward && !p.operEdge: // DETECTED
			p.topology = tcActive
			p.newTcWhile()
			p.setTcPropTree("begins to forward")
			p.newInfo = true
		case told:
			p.enterLearning()
		case !inTree && !p.learn && !p.learning(): // INACTIVE
			p.topology, p.tcWhile, p.tcAck = tcInactive, 0, false
			// An edge port too: nothing can be reached by it now.
			p.bridge.out.Flush(p.n)
		default:
			return false
		}
	case tcActive:
		switch {
		case !inTree || p.operEdge:
			p.enterLearning()
		case p.rcvdTcn || p.rcvdTc: // NOTIFIED_TCN, NOTIFIED_TC
			if p.rcvdTcn {
				p.newTcWhile()
			}
			p.rcvdTcn, p.rcvdTc = false, false
			p.tcAck = p.tcAck || p.role == Designated
			p.setTcPropTree("heard of one")
		case p.tcProp: // PROPAGATING
			p.newTcWhile()
			p.tcProp = false
			p.bridge.out.Flush(p.n)
		case p.rcvdTcAck: // ACKNOWLEDGED
			p.tcWhile, p.rcvdTcAck = 0, false
		default:
			return false
		}
	}
	return true
}

func (p *port) enterLearning() {
	p.topology = tcLearning
	p.rcvdTc, p.rcvdTcn, p.rcvdTcAck, p.tcProp = false, false, false, false
}

// newTcWhile is 17.21.7: how long the port tells of the change.
func (p *port) newTcWhile() {
	if p.tcWhile != 0 {
		return
	}
	if p.sendRSTP {
		p.tcWhile, p.newInfo = p.helloTime()+1, true
	} else {
		p.tcWhile = p.bridge.rootTimes.maxAge + p.bridge.rootTimes.delay
	}
}

// setTcPropTree has all other ports tell of the change (17.21.18), and counts
// it, unless it is more of the one before.
func (p *port) setTcPropTree(why string) {
	b := p.bridge
	for _, other := range b.ports {
		other.tcProp = other.tcProp || other != p
	}
	if b.tcWhile == 0 {
		b.tcCount++
		b.out.Event(EventTopologyChange, p.n, why)
	}
	b.tcWhile = p.helloTime() + 1
	b.tcSince = 0
}
