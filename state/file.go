package state

import (
	"ipnfs/bus"
	"ipnfs/bus/policy"
)

func init() {
	bus.RegisterFile(bus.File{
		Place: bus.InNetwork, Name: "save", Summary: "the lines of a shell script that make the network again",
		Rule: bus.ForReceivers, // an fdb is for those only
		Read: Script,
		Cost: cost,
	})
}

// costOfPort is about how many bytes a port takes, as values and as lines.
const costOfPort = 1 << 10

// cost is about how many bytes Script takes.
func cost(at bus.At) int {
	bytes := len(at.Network.Ports()) * costOfPort
	_ = at.Network.UsePolicy(func(current policy.Policy) error { // one that has ended costs nothing
		if tabler, ok := current.(policy.Tabler); ok {
			for _, t := range tabler.Tables() {
				if t.Save != nil && t.Cost != nil {
					bytes += 2 * t.Cost() // a list, and the lines of it
				}
			}
		}
		return nil
	})
	return bytes
}
