// Package cable tests cables of real daemons on machines of their own: network
// namespaces, joined by a line that can be cut, lose and reorder packets.
//
//   - line_test.go: that line.
//   - machine_test.go: a namespace with a daemon; what is sent and comes there.
//   - kind_test.go: how cables of each kind are laid between machines.
//   - fault_test.go: what a cable of each kind does when the line, or the peer, fails.
//   - loop_test.go: cables that make a loop.
//   - device_test.go: networks and Linux's vxlan devices.
//
// All needs root.
package cable

import (
	"testing"

	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
