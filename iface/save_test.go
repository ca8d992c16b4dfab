package iface_test

import (
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/iface/nstest"
)

// saved lists what attaches again what is attached by a file.
func (l *lab) saved(file string) []string { return bus.AttacherOf(file).(bus.Saver).Save(l.Net) }

func (l *lab) wantSaved(what, file string, want ...string) {
	l.t.Helper()
	if got := l.saved(file); !slices.Equal(got, want) {
		l.t.Errorf("%s: %s saves %q, want %q", what, file, got, want)
	}
}

// What is saved attaches the same again: the interface at its port, where it is,
// with its options. What is of the port is the network's to tell.
func TestSave(t *testing.T) {
	l := newSwitch(t)
	veth, _ := nstest.Veth(t, l.ns)
	for file, c := range map[string]struct{ name, command, port, options string }{
		"tap": {"lnk0", " mac=02:00:00:00:00:01 pvid=10 addr=10.9.9.1/24 storm=broadcast=5 name=uplink addr=10.9.9.2/24 mtu=1400 up queues=2",
			" port=1", " mac=02:00:00:00:00:01 addr=10.9.9.1/24 addr=10.9.9.2/24 mtu=1400 up queues=2"},
		"veth": {"lnk0", " addr=10.9.9.1/24 port=5 isolated=on mtu=1400 up", " port=5", " addr=10.9.9.1/24 mtu=1400 up"},
		"grab": {veth, " copy isolated=on port=7 netns=" + l.host, " port=7", " copy"},
	} {
		l.attach(file, c.name+c.command)
		want := c.name + c.port + " netns=" + l.host + c.options
		l.wantSaved("attached", file, want)
		l.detach(file, c.name)
		l.wantSaved("detached", file)
		l.attach(file, want)
		l.wantSaved("attached again", file, want)
		nstest.In(t, l.ns, func() error { // as a daemon there sees it
			l.wantSaved("in the own namespace", file, c.name+c.port+c.options)
			return nil
		})
		l.detach(file, c.name)
	}
	l.attach("tap", "lnk0")
	nstest.Delete(l.host)
	l.wantSaved("in a namespace without a name", "tap")
	l.detach("tap", "lnk0")
}
