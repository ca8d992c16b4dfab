package stp

// selectRoles is the Port Role Selection machine (17.28) with updtRolesTree
// (17.21.25): who is the root, by which port is it reached, and what are the
// others then? It ends with selected for all ports.
func (b *Bridge) selectRoles() {
	b.reselect = false
	b.selectRoot()
	for _, p := range b.ports {
		p.designatedPriority = vector{b.rootPriority.root, b.rootPriority.cost, b.id, p.id}
		p.designatedTimes = b.rootTimes
		p.designatedTimes.hello = b.cfg.HelloTime
		p.selectRole()
		p.selected = true
	}
}

// selectRoot finds the best vector, and the port it came by.
func (b *Bridge) selectRoot() {
	b.rootPriority = vector{root: b.id, bridge: b.id}
	b.rootTimes = times{0, b.cfg.MaxAge, b.cfg.HelloTime, b.cfg.ForwardDelay}
	b.rootPort = nil
	for _, p := range b.ports {
		if p.infoIs != infoReceived || p.cfg.RootGuard || p.portPriority.bridge.address() == b.id.address() {
			continue
		}
		path := p.portPriority.via(p.cfg.Cost)
		order := path.compare(b.rootPriority)
		if order < 0 || order == 0 && b.rootPort != nil && p.id < b.rootPort.id {
			b.rootPriority, b.rootPort = path, p
			b.rootTimes = p.portTimes
			b.rootTimes.age++
		}
	}
}

// selectRole selects the role of one port.
func (p *port) selectRole() {
	b := p.bridge
	switch {
	case p.infoIs == infoDisabled:
		p.selectedRole = Disabled
	case p.infoIs == infoAged:
		p.selectedRole, p.updtInfo = Designated, true
	case p.infoIs == infoMine:
		p.selectedRole = Designated
		p.updtInfo = p.updtInfo || p.portPriority != p.designatedPriority || p.portTimes != p.designatedTimes
	case p == b.rootPort:
		p.selectedRole, p.updtInfo = Root, false
	case p.designatedPriority.compare(p.portPriority) < 0:
		p.selectedRole, p.updtInfo = Designated, true
	case p.portPriority.bridge.address() == b.id.address():
		p.selectedRole, p.updtInfo = Backup, false
	default:
		p.selectedRole, p.updtInfo = Alternate, false
	}
}
