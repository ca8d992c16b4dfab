package state

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ipnfs/bus"
)

// shell does on a bus what sh does on a mount with the lines of a script.
type shell struct {
	t   *testing.T
	b   *bus.Bus
	who bus.Access
	// watch is called after each line.
	watch func(line string)
}

func (s *shell) run(script string) {
	s.t.Helper()
	for line := range strings.Lines(script) {
		if err := s.line(strings.TrimSuffix(line, "\n")); err != nil {
			s.t.Fatalf("%s: %v\nof\n%s", line, err, script)
		}
		if s.watch != nil {
			s.watch(line)
		}
	}
}

// split takes a line apart: words, and where the output goes. Words that only a
// shell would change are refused.
func split(line string) (list []string, to string, err error) {
	word, some, quoted, target := "", false, false, false
	for i := 0; i <= len(line); i++ {
		switch {
		case i == len(line) && quoted:
			return nil, "", fmt.Errorf("a quote is open")
		case i == len(line) || line[i] == ' ' && !quoted:
			switch {
			case target:
				to = word
			case some:
				list = append(list, word)
			}
			word, some, target = "", false, false
		case line[i] == '>' && !some && !quoted:
			target = true
		case line[i] == '\'':
			quoted, some = !quoted, true
		case quoted:
			word += line[i : i+1]
		case line[i] == '\\':
			i++
			word, some = word+line[i:i+1], true
		case strings.ContainsAny(line[i:i+1], "\t\"$`&;|<(){}[]*?!#~^>") || line[i] >= 0x80:
			return nil, "", fmt.Errorf("a shell takes %q for something else", line[i:])
		default:
			word, some = word+line[i:i+1], true
		}
	}
	return list, to, nil
}

func (s *shell) line(line string) error {
	if strings.HasPrefix(line, "# ") {
		return nil
	}
	line = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(line, "\t"), " &&"), " || true")
	by := s.who
	if text, other, is := strings.Cut(line, " | setpriv "); is {
		var to string
		if _, err := fmt.Sscanf(other, "--reuid=%d --regid=%d --init-groups dd of=", &by.UID, &by.GID); err != nil {
			return err
		}
		_, to, _ = strings.Cut(other, " dd of=")
		to, is = strings.CutSuffix(to, " status=none")
		if line = text + " >" + to; !is {
			return fmt.Errorf("dd would talk")
		}
	}
	w, to, err := split(line)
	if err != nil {
		return err
	}
	switch {
	case w[0] == "echo" && len(w) == 2 && w[1][0] != '-' && !strings.Contains(w[1], `\`):
		return s.write(to, w[1], by)
	case w[0] == "printf" && len(w) == 3 && w[1] == `%s\n`:
		return s.write(to, w[2], by)
	case w[0] == "mkdir":
		mode := uint32(0o777 &^ umask)
		if w[1] == "-m" {
			mode, w = octal(w[2]), w[2:]
		}
		return s.mkdir(w[1], mode)
	case w[0] == "chmod":
		return s.change(w[2], func(a *bus.Access) { a.Mode = octal(w[1]) })
	case w[0] == "chown", w[0] == "chgrp":
		ids := strings.Split(w[1], ":")
		for _, file := range w[2:] {
			if err := s.change(file, func(a *bus.Access) {
				if len(ids) == 2 {
					a.UID = number(ids[0])
				}
				a.GID = number(ids[len(ids)-1])
			}); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no such command")
}

func octal(text string) uint32 {
	v, _ := strconv.ParseUint(text, 8, 32)
	return uint32(v)
}

func number(text string) uint32 {
	v, _ := strconv.ParseUint(text, 10, 32)
	return uint32(v)
}

// find takes a path apart.
func (s *shell) find(path string) (net *bus.Network, port *bus.Port, rest []string) {
	rest = strings.Split(strings.TrimPrefix(path, "./"), "/")
	if net = s.b.Network(rest[0]); net != nil {
		if rest = rest[1:]; len(rest) > 1 && rest[0] == "ports" {
			if port = net.Port(int(number(rest[1]))); port != nil {
				rest = rest[2:]
			}
		}
	}
	return net, port, rest
}

func (s *shell) mkdir(path string, mode uint32) error {
	if path[0] == '-' {
		return fmt.Errorf("an option")
	}
	net, _, rest := s.find(path)
	if net != nil {
		_, err := net.Reserve(int(number(rest[1])))
		return err
	}
	dir := bus.Access{Mode: mode, UID: s.who.UID, GID: s.who.GID}
	_, err := s.b.Create(rest[0], s.b.Policy, dir, bus.DoorOf(dir))
	return err
}

func (s *shell) change(path string, change func(*bus.Access)) error {
	net, port, rest := s.find(path)
	switch {
	case net == nil || path[0] == '-' || len(rest) > 0 && rest[0] != "port":
		return fmt.Errorf("no such file")
	case port != nil:
		port.ChangeAccess(change)
	case len(rest) > 0:
		net.ChangeDoorAccess(change)
	default:
		net.ChangeDirAccess(change)
	}
	return nil
}

func (s *shell) write(path, text string, by bus.Access) error {
	net, port, rest := s.find(path)
	if net == nil || len(rest) == 0 {
		return fmt.Errorf("no such file")
	}
	list := []Line{{rest[len(rest)-1], text}}
	isSetting := func(name string) bool {
		return slices.ContainsFunc(bus.PortSettings, func(s bus.Setting[*bus.Port]) bool { return s.Name == name })
	}
	switch {
	case port != nil && isSetting(rest[0]):
		return (&Port{Settings: list}).fill(port)
	case port != nil:
		return (&Port{Values: list}).fill(port)
	case len(rest) == 2 && rest[0] == net.Policy().Name():
		return writePolicy(net, list)
	case rest[0] == "policy":
		return net.SetPolicy(text)
	case bus.AttacherOf(rest[0]) != nil:
		return bus.AttacherOf(rest[0]).Attach(net, bus.Caller{Info: bus.Info{UID: by.UID, GID: by.GID}}, text)
	}
	return set(net, bus.NetworkSettings, list)
}

// What is quoted comes out of a real shell as it was, by echo and by printf,
// and split reads it likewise.
func TestQuote(t *testing.T) {
	s := &script{path: "x"}
	var want []string
	for _, text := range []string{
		"a", "a b", "a'b", "''", "'", `"`, "$HOME", "`id`", "a;b", "a&b", "|", ">x", "<x", "*", "?", "[a]", "{a,b}", "~", "#", "!", "^",
		`\`, `a\nb`, `a\\b`, `\c`, "-n", "-e x", "-", "--", "%s", "a%20b", "büro", "a\tb", "$(id)", "a=b", "b\u00fcro \\'$x", "eth0 port=4 up", "(", "=", ":",
	} {
		s.write("", text)
		want = append(want, text)
	}
	lines := strings.ReplaceAll(s.String(), " >x\n", "\n")
	for _, sh := range []string{"sh", "bash", "dash", "busybox sh"} {
		command := append(strings.Fields(sh), "-c", lines)
		if _, err := exec.LookPath(command[0]); err != nil {
			continue
		}
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, it writes\n%q, want\n%q", sh, err, got, want)
		}
	}
	for i, line := range strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n") {
		if words, to, err := split(line); err != nil || words[len(words)-1] != want[i] || to != "x" {
			t.Errorf("%s: split into %q, to %q, %v", line, words, to, err)
		}
	}
	if got := quote(""); got != "''" {
		t.Errorf("nothing is quoted as %s", got)
	}
}
