package state

import (
	"fmt"
	"runtime"
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
// than he has in the end, and nobody else gets in before all is there. Of a network
// that has ended there are no lines.
func Script(at bus.At) string {
	n := given(at.Network)
	lost := n.leftOut(at.Network)
	if at.Network.UsePolicy(func(policy.Policy) error { return nil }) != nil {
		return "" // it may have ended before all was told
	}
	inside := &script{path: path(n.Name), at: at}
	inside.fill(&n)
	s := &script{path: inside.path, at: at}

	dir, door := n.Dir, n.Door
	plain := dir.Mode&^0o777 == 0 && s.isMine(dir) && door == bus.DoorOf(dir)
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
	for _, what := range lost {
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
	return s.String()
}

// script is lines for one network.
type script struct {
	strings.Builder
	path string // of the network's directory
	at   bus.At
}

// fill tells what is written into the directory, in an order in which all of it
// is taken (Make has the same).
func (s *script) fill(n *Network) {
	s.writeAll("", n.Settings)
	name, _ := words.Name(n.Policy)
	dir := "/" + name
	if n.Policy != s.at.Bus.Policy {
		s.write("/policy", n.Policy)
	}
	s.writeAll(dir, n.Values)
	for i := range n.Ports {
		if p := &n.Ports[i]; p.Reserved {
			s.line("mkdir %s", s.quoted(p.dir()))
			s.port(p)
		}
	}
	s.writeAll("", n.Attached)
	for i := range n.Ports {
		if p := &n.Ports[i]; !p.Reserved {
			s.port(p)
		}
	}
	s.writeAll(dir, n.Late)
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

func (s *script) isMine(a bus.Access) bool { return a.UID == s.at.UID && a.GID == s.at.GID }

// give gives files to who a says, if that is somebody else.
func (s *script) give(a bus.Access, files ...string) {
	command := fmt.Sprintf("chown %d:%d", a.UID, a.GID)
	switch {
	case s.isMine(a):
		return
	case a.UID == s.at.UID:
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

// write writes a text to a file. What echo of one shell or another would not
// write as it is, is for printf.
func (s *script) write(file, text string) {
	command := "echo"
	if text[0] == '-' || strings.Contains(text, `\`) {
		command = `printf '%s\n'`
	}
	s.line("%s %s >%s", command, quote(text), s.quoted(file))
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
