package stp

// Receive takes a frame that came in by the port, with any bytes: frames that
// are no BPDUs, and ports that are not known, are ignored. The frame is lent.
// This is the Port Receive machine (17.23).
func (b *Bridge) Receive(n int, frame []byte) {
	p := b.find(n)
	if p == nil || !IsBPDU(frame) {
		return
	}
	p.received++
	if !p.enabled() {
		return
	}
	if p.cfg.Guard {
		p.tripped = true
		b.out.Event(EventGuard, n, "a BPDU came: disabled until it is set again")
		b.run()
		return
	}
	m, ok := decode(frame)
	if !ok {
		p.invalid++
		return
	}
	p.msg, p.rcvdMsg = m, true
	// updtBPDUVersion (17.21.22)
	p.rcvdRSTP, p.rcvdSTP = m.kind == rstBPDU, m.kind != rstBPDU
	p.operEdge = false
	p.edgeDelayWhile = migrateTime
	b.run()
}
