package l2switch

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/vlan"
	"ipnfs/words"
)

// Tables are what the switch knows.
func (s *Switch) Tables() []policy.Table {
	return []policy.Table{
		{Name: "fdb", Read: s.readFDB, Write: s.writeFDB, Save: s.saveFDB, Late: true, OfFrames: true, Cost: s.costOfFDB},
		{Name: "vlans", Read: s.readVLANs, Write: s.writeVLANs, Save: s.saveVLANs},
		{Name: "stp", Read: s.readSTP, Write: s.writeSTP, Save: func() []string { return []string{s.settingsOfSTP()} },
			Given: func() []string { return []string{s.givenOfSTP()} }},
		{Name: "groups", Read: s.groups.Text, Write: s.writeGroups, OfFrames: true},
		{Name: "counters", Read: s.readCounters},
	}
}

// lineOfFDB is the longest line of the fdb in bytes.
const lineOfFDB = len("02:00:00:00:00:01 vlan=4094 port=65536 age=1000000\n")

// costOfFDB is what readFDB takes: the text and a list of all entries.
func (s *Switch) costOfFDB() int { return s.fdb.Len() * (lineOfFDB + int(unsafe.Sizeof(fdb.Entry{}))) }

func (s *Switch) readFDB() string {
	var b strings.Builder
	s.fdb.Refresh()
	entries := s.fdb.Entries()
	b.Grow(len(entries) * lineOfFDB)
	for i, e := range entries {
		if i%1024 == 1023 {
			runtime.Gosched() // what carries frames comes first
		}
		age := "static"
		if !e.Static {
			age = fmt.Sprintf("age=%d", e.Age)
		}
		fmt.Fprintf(&b, "%s vlan=%d port=%d %s\n", macString(e.MAC), e.VLAN, e.Port, age)
	}
	return b.String()
}

// saveFDB lists the static entries. Those from before VLANs were switched on or
// off do not count now and are left out.
func (s *Switch) saveFDB() (commands []string) {
	vlans := s.mode.Load().vlans
	for _, e := range s.fdb.Entries() {
		if e.Static && (e.VLAN != 0) == vlans {
			commands = append(commands, fmt.Sprintf("add %s port=%d vlan=%d", macString(e.MAC), e.Port, e.VLAN))
		}
	}
	return commands
}

// command is one that names things: WORD [VALUE] [key=value...].
type command struct {
	word, value string
	args        map[string]string
}

// parseCommand reads a command with at most one value and the given arguments.
func parseCommand(text string, args ...words.Option) (command, error) {
	c := command{args: map[string]string{}}
	word, rest := words.Name(text)
	c.word = word
	if len(rest) > 0 && !rest[0].Valued {
		c.value, rest = rest[0].Key, rest[1:]
	}
	for i := range args {
		a := &args[i]
		a.Value = true
		a.Set = func(value string) error { c.args[a.Key] = value; return nil }
	}
	return c, words.Options(args).Read(rest, nil)
}

// vlanArg is the command's VLAN: 0 on a switch without VLANs.
func (s *Switch) vlanArg(c command) (uint16, error) {
	text, given := c.args["vlan"]
	switch {
	case given && !s.mode.Load().vlans && text != "0":
		return 0, fail.Errorf(fail.Invalid, "the switch has no VLANs: echo on > switch/vlan first")
	case given && s.mode.Load().vlans:
		return vlan.Parse(text)
	case s.mode.Load().vlans:
		return vlan.Default, nil
	}
	return 0, nil
}

// portArg is the command's port, which must be there.
func (s *Switch) portArg(c command) (*port, error) {
	number, err := words.Int("port", c.args["port"], 1, policy.MaxPorts)
	if err != nil {
		return nil, err
	}
	p := s.ports.get(number)
	if p == nil {
		return nil, fail.Errorf(fail.Unknown, "port %d is not connected", number)
	}
	return p, nil
}

func (s *Switch) writeFDB(text string) error {
	c, err := parseCommand(text, words.Option{Key: "port"}, words.Option{Key: "vlan"})
	if err != nil {
		return err
	}
	vlan, err := s.vlanArg(c)
	if err != nil {
		return err
	}
	switch c.word {
	case "add", "del":
		mac, err := words.MAC("address", c.value)
		if err != nil {
			return err
		}
		return s.changeFDB(c, fdb.MakeKey(vlan, mac))
	case "flush":
		return s.flushFDB(c, vlan)
	}
	return fail.Errorf(fail.Invalid, "unknown command %q: add MAC port=N [vlan=V], del MAC [vlan=V], flush [port=N] [vlan=V]", c.word)
}

func (s *Switch) changeFDB(c command, key fdb.Key) error {
	if c.word == "del" {
		if _, given := c.args["port"]; given {
			return fail.Errorf(fail.Invalid, "del takes no port: an address is at one port only")
		}
		before, _ := s.fdb.Lookup(key) // 0, any port, if it has just aged out
		if !s.fdb.Remove(key) {
			return fail.Errorf(fail.Unknown, "%s is not known in VLAN %d", c.value, key.VLAN())
		}
		s.feed.Revoke(before, key.VLAN())
		return nil
	}
	p, err := s.portArg(c)
	if err != nil {
		return err
	}
	before, err := s.fdb.AddStatic(key, p.number)
	if errors.Is(err, fdb.ErrFull) {
		return fail.Errorf(fail.NoSpace, "%v: raise switch/fdb_max", err)
	} else if err != nil {
		return fail.Errorf(fail.Range, "%v", err)
	}
	if before != 0 && before != p.number {
		s.feed.Revoke(before, key.VLAN())
	}
	return nil
}

func (s *Switch) flushFDB(c command, vlan uint16) error {
	_, byPort := c.args["port"]
	_, byVLAN := c.args["vlan"]
	switch {
	case c.value != "":
		return fail.Errorf(fail.Invalid, "flush takes port= and vlan=, not %q", c.value)
	case !byPort && !byVLAN:
		s.fdb.Flush()
		s.feed.Revoke(0, policy.AnyVLAN)
	case !byPort:
		s.fdb.FlushVLAN(vlan)
		s.feed.Revoke(0, vlan)
	default:
		p, err := s.portArg(c)
		if err != nil {
			return err
		}
		if byVLAN {
			s.fdb.FlushPortVLAN(p.number, vlan)
			s.feed.Revoke(p.number, vlan)
		} else {
			s.fdb.FlushPort(p.number, false)
			s.feed.Revoke(p.number, policy.AnyVLAN)
		}
	}
	return nil
}

// readVLANs shows each VLAN and its ports. It needs no lock.
func (s *Switch) readVLANs() string {
	var b strings.Builder
	names := s.vlans.Names()
	for _, v := range s.vlansInUse(nil, nil) {
		var untagged, tagged []string
		for p := range s.ports.all {
			switch c := p.config.Load(); {
			case c.Tagged.Has(v):
				tagged = append(tagged, fmt.Sprint(p.number))
			case c.PVID == v:
				untagged = append(untagged, fmt.Sprint(p.number))
			}
		}
		fmt.Fprintf(&b, "%d name=%s untagged=%s tagged=%s\n", v, fail.Quote(names[v]), orNone(untagged), orNone(tagged))
	}
	return b.String()
}

// saveVLANs lists the VLANs that were added.
func (s *Switch) saveVLANs() (commands []string) {
	names := s.vlans.Names()
	for _, v := range slices.Sorted(maps.Keys(names)) {
		commands = append(commands, fmt.Sprintf("add %d name=%s", v, names[v]))
	}
	return commands
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ",")
}

func (s *Switch) writeVLANs(text string) error {
	c, err := parseCommand(text, words.Option{Key: "name", Empty: true})
	if err != nil {
		return err
	}
	if c.word != "add" && c.word != "del" {
		return fail.Errorf(fail.Invalid, "unknown command %q: add VLAN [name=NAME], del VLAN; ports join by ports/N/pvid and ports/N/vlans", c.word)
	}
	id, err := vlan.Parse(c.value)
	if err != nil {
		return err
	}
	if c.word == "add" {
		if len(c.args["name"]) > vlan.MaxName {
			return fail.Errorf(fail.Range, "the name has %d bytes: at most %d", len(c.args["name"]), vlan.MaxName)
		}
		return s.addVLAN(id, c.args["name"])
	}
	for p := range s.ports.all {
		if p.config.Load().Names(id) {
			return fail.Errorf(fail.Busy, "port %d is in VLAN %d", p.number, id)
		}
	}
	if _, known := s.vlans.Names()[id]; !known {
		return fail.Errorf(fail.Unknown, "there is no VLAN %d", id)
	}
	s.vlans.Remove(id)
	s.mem.Refund(vlan.NameSize)
	s.fdb.FlushVLAN(id)
	s.feed.Revoke(0, id)
	s.spanning.update(s)
	return nil
}

// addVLAN adds or names a VLAN.
func (s *Switch) addVLAN(id uint16, name string) error {
	before := s.vlans.Names()
	_, known := before[id]
	if !known && !s.mem.Charge(vlan.NameSize) {
		return errNoMemory
	}
	s.vlans.Add(id, name)
	if err := s.prepareTrees(s.mode.Load().stp, nil, nil); err != nil {
		s.vlans.Set(before)
		if !known {
			s.mem.Refund(vlan.NameSize)
		}
		return err
	}
	s.spanning.update(s)
	s.mem.settle()
	return nil
}

func (s *Switch) writeGroups(text string) error {
	if text != "flush" {
		return fail.Errorf(fail.Invalid, "unknown command %q: flush forgets all groups", text)
	}
	s.groups.Flush()
	return nil
}

func (s *Switch) readCounters() string {
	f, g := s.fdb.Stats(), s.groups.Stats()
	var b strings.Builder
	for _, c := range []struct {
		name  string
		value uint64
	}{
		{"fdb_entries", uint64(s.fdb.Len())}, {"fdb_learned", f.Learned}, {"fdb_moved", f.Moved}, {"fdb_damped", f.Damped},
		{"fdb_refused", f.Refused}, {"fdb_aged", f.Aged}, {"fdb_evicted", f.Evicted},
		{"groups_entries", uint64(g.Groups)}, {"groups_messages", g.Messages}, {"groups_leaves", g.Leaves},
		{"groups_invalid", g.Invalid}, {"groups_refused", g.Refused},
		{"stp_unsettled", s.spanning.unsettled()},
	} {
		fmt.Fprintf(&b, "%s %d\n", c.name, c.value)
	}
	return b.String()
}

func macString(mac [6]byte) string { return net.HardwareAddr(mac[:]).String() }
