// Package broadcast is the policy of a hub: a frame goes to every port but
// the one it came from, whatever its bytes are. It is IPN's protocol 1 and
// the policy of a new network.
package broadcast

import (
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// Name is the name under which the policy is registered.
const Name = "broadcast"

func init() {
	policy.Register(policy.Type{
		Name:    Name,
		Summary: "a hub: each frame goes to every other port",
		New:     New,
	})
}

// New makes the policy. It takes no arguments.
func New(args map[string]string) (policy.Policy, error) {
	for key := range args {
		return nil, fail.Errorf(fail.Invalid, "policy broadcast takes no arguments, got %q", key)
	}
	return broadcast{}, nil
}

type broadcast struct{}

var _ policy.Policy = broadcast{}

func (broadcast) Name() string { return Name }

func (broadcast) Forward(_ policy.Port, _ *frame.Frame, out *policy.Egress) { out.Flood() }
