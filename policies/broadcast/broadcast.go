// Package broadcast is the policy of a hub: a frame goes to every port but
// the one it came from, whatever its bytes are. It is IPN's protocol 1 and
// the policy of a new network.
package broadcast

import (
	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// Name is the name under which the policy is registered.
const Name = "broadcast"

func init() {
	bus.RegisterPolicy(bus.PolicyType{
		Name:    Name,
		Summary: "a hub: each frame goes to every other port",
		New:     New,
	})
}

// New makes the policy. It takes no arguments.
func New(args map[string]string) (bus.Policy, error) {
	for key := range args {
		return nil, bus.Errorf(bus.Invalid, "policy broadcast takes no arguments, got %q", key)
	}
	return policy{}, nil
}

type policy struct{}

func (policy) Name() string { return Name }

func (policy) Forward(_ *bus.Port, _ *frame.Frame, out *bus.Egress) { out.Flood() }
