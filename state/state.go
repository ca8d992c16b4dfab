// Package state tells what a network is as values, which can be written down and of
// which the same network can be made again, by another process, too: all of them as
// JSON, or what people gave of them as the lines of a shell script.
//
//	state.go: the values; of.go: how they are read; make.go: how they are put in force
//	fresh.go: what of them people gave; script.go: the lines; file.go: the file save
//
// A Network holds what people set: names, rights, settings, the policy with its
// knobs and tables, ports, and what is attached. It does not hold
//
//   - who has a port open, and what waits in queues
//   - what a policy learned: addresses, groups, trees
//   - counters, events and refusals
//   - whose memory it is, if the directory has another owner by now
//
// What is told of a network on which things happen may be of several moments.
package state

import "ipnfs/bus"

// Line is a command: what is written to which file.
type Line struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// Network is what a network is. Lines stand in an order in which they can be
// written to a new one.
type Network struct {
	Name     string     `json:"name"`
	Dir      bus.Access `json:"dir"`  // of the directory
	Door     bus.Access `json:"door"` // of port
	Settings []Line     `json:"settings"`
	Policy   string     `json:"policy"`   // as policy takes it
	Values   []Line     `json:"values"`   // of the policy: files in its directory
	Ports    []Port     `json:"ports"`    // that are reserved or were set up, by number
	Attached []Line     `json:"attached"` // files tap, grab and the like
	Late     []Line     `json:"late"`     // of the policy, for ports that are connected
}

// Port is how a port is set up. What is not reserved exists, and is set up, for
// as long as it is connected.
type Port struct {
	Number   int         `json:"number"`
	Reserved bool        `json:"reserved"`
	Access   *bus.Access `json:"access"` // nil: as the network's
	Settings []Line      `json:"settings"`
	Values   []Line      `json:"values"` // of the policy: files beside the settings
}
