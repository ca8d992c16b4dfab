package iface

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"ipnfs/bus"
	"ipnfs/iface/netns"
	"ipnfs/words"
)

var _ bus.Saver = (*attacher)(nil)

// Save is bus.Saver's: NAME port=N [netns=WHERE], and the options that were
// given but for those of the port, which the network knows. What is in a
// namespace that has no name now is left out: nobody could find it.
func (t *attacher) Save(n *bus.Network) (commands []string) {
	names := netns.Names()
	if own, err := netns.Current(); err == nil {
		names[own.ID()] = ""
		own.Close()
	}
	for _, a := range attachments(n, t.kind) {
		if command := a.save(names); command != "" {
			commands = append(commands, command)
		}
	}
	return commands
}

// save is a's command. The daemon's own namespace has the name "".
func (a *attachment) save(names map[netns.ID]string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	where, found := names[a.ns]
	if !found || a.away || strings.ContainsFunc(where, unicode.IsSpace) {
		return ""
	}
	command := fmt.Sprintf("%s port=%d", a.facts.Name, a.port())
	if where != "" {
		command += " netns=" + where
	}
	_, options := words.Name(a.command)
	for _, w := range options {
		ofPort := slices.ContainsFunc(a.join.Setup, func(s bus.PortSetting) bool { return s.Name == w.Key })
		if !ofPort && w.Key != "port" && w.Key != "name" && w.Key != "netns" {
			command += " " + w.String()
		}
	}
	return command
}
