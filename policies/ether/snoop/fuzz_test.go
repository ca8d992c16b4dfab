package snoop

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// FuzzSnoop brings in frames that the fuzzer invents, behind those of hosts
// that join and a querier that asks. The first byte picks the port and
// whether lengths and checksums are put right first, as few inventions would
// get past them.
func FuzzSnoop(f *testing.F) {
	for _, frame := range kernelFrames(f) {
		f.Add(byte(0), frame, frame)
		f.Add(byte(0x81), frame, tagged(frame, etherQ))
	}
	f.Add(byte(0x80), report3(rec(allowNew, "232.1.1.1", "10.1.1.1"), rec(toExclude, "239.1.1.1")), query3("10.0.0.1", "232.1.1.1", 0, 2, 125, "10.1.1.1"))
	f.Add(byte(0x80), report1("239.1.1.1"), leave2("239.1.1.1"))
	known := kernelFrames(f)
	f.Fuzz(func(t *testing.T, how byte, first, second []byte) {
		tab := New(3, nil)
		now := time.Unix(1e9, 0)
		bring := func(port int, frame []byte) {
			if Control(frame) {
				tab.Snoop(1, port, frame, now)
			}
			check(t, tab)
		}
		bring(7, known["igmp3-query"])
		bring(7, known["mld2-query"])
		for _, frame := range [][]byte{first, second} {
			frame = bytes.Clone(frame)
			if how&0x80 != 0 {
				repair(frame)
			}
			tab.Snoop(1, 1, frame, now) // whatever Control says: it must not panic
			bring(int(how&0x7f)+1, frame)
			bring(2, known["igmp2-report"])
			bring(2, known["mld2-two-records"])
			now = now.Add(10 * time.Second)
			tab.Tick(now)
			check(t, tab)
		}
		tab.Text()
		tab.Forget(2)
		check(t, tab)
		now = now.Add(3 * time.Hour)
		tab.Tick(now)
		check(t, tab)
		if tab.Stats().Groups != 0 || len(tab.domains) != 0 {
			t.Errorf("something is left after three hours:\n%s", tab.Text())
		}
	})
}

// repair puts lengths, TTL and checksums of a frame right, if it has room for
// them.
func repair(frame []byte) {
	if len(frame) < headerEthernet {
		return
	}
	switch ip, ether := payload(frame); {
	case ether == etherIPv4 && len(ip) >= headerIPv4:
		header := int(ip[0]&0xf) * 4
		if header < headerIPv4 || len(ip) < header+8 {
			return
		}
		ip[8] = 1
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], ^uint16(sum(0, ip[:header])))
		b := ip[header:]
		b[2], b[3] = 0, 0
		binary.BigEndian.PutUint16(b[2:], ^uint16(sum(0, b)))
	case ether == etherIPv6 && len(ip) >= headerIPv6:
		ip[7] = 1
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-headerIPv6))
		if _, b := icmpv6(ip); len(b) >= 8 {
			b[2], b[3] = 0, 0
			pseudo := sum(uint32(len(b))+protocolICMPv6, ip[8:40])
			binary.BigEndian.PutUint16(b[2:], ^uint16(sum(pseudo, b)))
		}
	}
}
