package state

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"ipnfs/bus"
	"ipnfs/bus/policy"
	"ipnfs/words"
)

// Begin is how a script begins that makes networks: with the first line that is
// refused it ends; it runs in the root directory of a mount, or where rc= says that
// one is (ipnfs(8)); and mkdir gives what Script takes it to give.
const Begin = `set -e
umask 022
cd "${IPN:-.}"
`

// umask is that of Begin.
const umask = 0o022

// Script tells how sh makes the network again, behind Begin: by lines for people,
// as they would write them. What a new network has is left out, and so is the owner
// if that is who reads, as he will run them. Nobody has more rights at any moment
// than he has in the end, and nobody else gets in before all is there but what others
// attached: that is attached by them, not with the rights of who reads, and after
// all else; if it is refused the rest goes on. Of a network that has ended there are no
// lines.
func Script(at bus.At) string {
	n, attached := given(at.Network)
	if at.Network.UsePolicy(func(policy.Policy) error { return nil }) != nil {
		return "" // it may have ended before all was told
	}
	s := &script{path: path(n.Name), at: at, owner: bus.Access{UID: at.UID, GID: at.GID}}
	inside := s.part()
	inside.fill(&n, &attached)

	dir, door := n.Dir, n.Door
	plain := dir.Mode&^0o777 == 0 && s.owns(dir) && door == bus.DoorOf(dir)
	mode := dir.Mode
	if closed := !plain || inside.Len() > 0; closed {
		mode = 0o700 | dir.Mode&door.Mode&0o066
	}
	if mode == 0o777&^umask {
		s.line("mkdir %s", s.quoted(""))
	} else {
		s.line("mkdir -m %03o %s", mode, s.quoted(""))
	}
	s.WriteString(inside.String())
	for _, what := range attached.lost {
		s.line("# %s is left out: nobody could find it again", what)
	}
	if dir.UID == door.UID && dir.GID == door.GID {
		s.give(dir, "", "/port")
	} else {
		s.give(door, "/port")
		s.give(dir, "")
	}
	if bus.DoorOf(bus.Access{Mode: mode}).Mode != door.Mode {
		s.mode(door, "/port")
	}
	if dir.Mode != mode {
		s.mode(dir, "")
	}
	for _, l := range n.Attached {
		if by := attached.by[l.port()]; by.UID != at.UID {
			after := s.part()
			after.owner = door
			after.connected(&n, func(number string) bool { return number == l.port() })
			s.lend(l, by, after.String())
		}
	}
	return s.String()
}

// script is lines for one network.
type script struct {
	strings.Builder
	path  string // of the network's directory
	at    bus.At
	owner bus.Access // of what is there, as far as the lines before have not given it away
}

// part is an empty script for the same network.
func (s *script) part() *script { return &script{path: s.path, at: s.at, owner: s.owner} }

// fill tells what is written into the directory, in an order in which all of it
// is taken (Make has the same).
func (s *script) fill(n *Network, a *attached) {
	s.writeAll("", n.Settings)
	if n.Policy != s.at.Bus.Policy {
		s.write("/policy", n.Policy)
	}
	s.writeAll(n.policyDir(), n.Values)
	for i := range n.Ports {
		if p := &n.Ports[i]; p.Reserved {
			s.line("mkdir %s", s.quoted(p.dir()))
			s.port(p)
		}
	}
	mine := func(number string) bool { return a.by[number].UID == s.at.UID }
	for _, l := range n.Attached {
		if mine(l.port()) {
			s.write("/"+l.File, l.Text)
		}
	}
	s.connected(n, mine)
}

// connected tells what is for those ports that are connected.
func (s *script) connected(n *Network, those func(number string) bool) {
	for i := range n.Ports {
		if p := &n.Ports[i]; !p.Reserved && those(strconv.Itoa(p.Number)) {
			s.port(p)
		}
	}
	for _, l := range n.Late {
		if those(l.port()) {
			s.write(n.policyDir()+"/"+l.File, l.Text)
		}
	}
}

// lend tells how somebody else attaches something again, and what comes after
// that, if it is taken and for as long as it is there: he has a say in that.
func (s *script) lend(l Line, by bus.Info, after string) {
	command := fmt.Sprintf("%s | setpriv --reuid=%d --regid=%d --init-groups dd of=%s status=none\n",
		echo(l.Text), by.UID, by.GID, s.quoted("/"+l.File))
	s.line("%s || true", strings.ReplaceAll(strings.TrimSuffix(command+after, "\n"), "\n", " &&\n\t"))
}

func (n *Network) policyDir() string {
	name, _ := words.Name(n.Policy)
	return "/" + name
}

func (port *Port) dir() string { return fmt.Sprintf("/ports/%d", port.Number) }

// port tells what is set of a port that is there.
func (s *script) port(p *Port) {
	if p.Number%64 == 0 {
		runtime.Gosched() // what carries frames comes first
	}
	if p.Access != nil {
		s.mode(*p.Access, p.dir()+"/port")
		s.give(*p.Access, p.dir()+"/port")
	}
	s.writeAll(p.dir(), p.Settings)
	s.writeAll(p.dir(), p.Values)
}

func (s *script) owns(a bus.Access) bool { return a.UID == s.owner.UID && a.GID == s.owner.GID }

// give gives files to who a says, if that is somebody else.
func (s *script) give(a bus.Access, files ...string) {
	command := fmt.Sprintf("chown %d:%d", a.UID, a.GID)
	switch {
	case s.owns(a):
		return
	case a.UID == s.owner.UID:
		command = fmt.Sprintf("chgrp %d", a.GID)
	}
	for _, file := range files {
		command += " " + s.quoted(file)
	}
	s.line("%s", command)
}

func (s *script) mode(a bus.Access, file string) { s.line("chmod %03o %s", a.Mode, s.quoted(file)) }

func (s *script) writeAll(dir string, list []Line) {
	for _, l := range list {
		s.write(dir+"/"+l.File, l.Text)
	}
}

// write writes a text to a file.
func (s *script) write(file, text string) { s.line("%s >%s", echo(text), s.quoted(file)) }

// echo tells how a text is written. What echo of one shell or another would not
// write as it is, is for printf.
func echo(text string) string {
	command := "echo "
	if text[0] == '-' || strings.Contains(text, `\`) {
		command = `printf '%s\n' `
	}
	return command + quote(text)
}

func (s *script) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// quoted is a file of the network, as a word of sh.
func (s *script) quoted(file string) string { return quote(s.path + file) }

// path is the path of a network's directory, which no command takes for an option.
func path(name string) string {
	if name[0] == '-' {
		return "./" + name
	}
	return name
}

// quote makes text one word of sh.
func quote(text string) string {
	const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,@%+="
	if text != "" && strings.Trim(text, harmless) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
