package vxlan

import (
	"bytes"
	"fmt"
	"testing"

	"ipnfs/bus/bustest"
	"ipnfs/cable/cabletest"
	"ipnfs/lane/lanetest"
)

// A network hears a peer that it lists, and he hears it; nothing is left when the cable
// is off.
func TestCable(t *testing.T) {
	files := len(lanetest.OpenFiles(t))
	l := cabletest.New(t)
	port := freePort(t)
	peer := newHost(t, "127.0.0.2", port+1)
	used := l.Net.Memory().Used()
	l.Lay(t, fmt.Sprintf("vxlan://127.0.0.2,127.0.0.3?vni=%d&port=%d", testVNI, port), "state=up")
	l.Await(t, fmt.Sprintf("peer=127.0.0.2:%d,127.0.0.3:%d", port, port))
	l.Await(t, fmt.Sprintf("mtu=%d", 1<<16-1-36))
	data := ether(255, 1, 300)
	peer.send(t, at(fmt.Sprintf("127.0.0.1:%d", port)), append(vxlanHead(testVNI), data...))
	if got := l.Frames(t, 1); !bytes.Equal(got[0], data) {
		t.Errorf("a frame of %d bytes came", len(got[0]))
	}
	bustest.Send(l.Peer, data)
	l.Remove(t, "vxlan0")
	if now := l.Net.Memory().Used(); now > used {
		t.Errorf("%d bytes are used, were %d", now, used)
	}
	bustest.WaitFor(t, "all to be closed", func() bool { return len(lanetest.OpenFiles(t)) <= files+1 })
}

// What is wrong with a socket or a peer is the reason why there is no link.
func TestCableDown(t *testing.T) {
	for locator, reason := range map[string]string{
		"vxlan://127.0.0.2?vni=1&dev=nowhere":             "there is no interface nowhere",
		"vxlan://127.0.0.2,::1?vni=1":                     "no address of the family",
		"vxlan://::1?vni=1&group=239.1.1.1":               "no address of the family",
		"vxlan://127.0.0.2?vni=1&port=%d":                 "address already in use",
		"vxlan://239.1.1.1,127.0.0.2?vni=1&dev=lo&port=0": "",
	} {
		l := cabletest.New(t)
		taken := newHost(t, "127.0.0.1", freePort(t))
		if reason == "address already in use" {
			locator = fmt.Sprintf(locator, taken.at.Port())
		}
		err := l.Attach(t, locator)
		if reason == "" {
			if err == nil {
				t.Errorf("%s is taken", locator)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", locator, err)
			continue
		}
		l.Await(t, reason)
	}
}
