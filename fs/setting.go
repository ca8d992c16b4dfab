package fs

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// The settings of a network and of a port. All read as what a write takes.

// number and change make the reader and writer of a setting that is a number.
func number(get func(*bus.Settings) int) func(*FS, *node) string {
	return func(_ *FS, n *node) string {
		s := n.net.Settings()
		return itoa(get(&s)) + "\n"
	}
}

func change(set func(*bus.Settings, int)) func(*FS, *node, *fuse.InHeader, string) error {
	return func(_ *FS, n *node, _ *fuse.InHeader, command string) error {
		v, err := parseNumber(command)
		if err != nil {
			return err
		}
		return n.net.Change(func(s *bus.Settings) { set(s, v) })
	}
}

// parseNumber reads a decimal number without sign.
func parseNumber(s string) (int, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, fail.Errorf(fail.Invalid, "%q is no decimal number", s)
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		return 0, fail.Errorf(fail.Range, "the number %s is out of any range", s)
	}
	return v, nil
}

func readPolicy(_ *FS, n *node) string { return n.net.PolicySpec() + "\n" }

func writePolicy(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	return n.net.SetPolicy(strings.Join(strings.Fields(command), " "))
}

func readOverflow(_ *FS, n *node) string { return n.net.Settings().Overflow.String() + "\n" }

func writeOverflow(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	o, err := bus.ParseOverflow(command)
	if err != nil {
		return err
	}
	return n.net.Change(func(s *bus.Settings) { s.Overflow = o })
}

func readPersist(_ *FS, n *node) string {
	if n.net.Settings().Persist {
		return "1\n"
	}
	return "0\n"
}

func writePersist(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	if command != "0" && command != "1" {
		return fail.Errorf(fail.Invalid, "%q: 1 keeps the network until rmdir, 0 ends it with its last port", command)
	}
	return n.net.Change(func(s *bus.Settings) { s.Persist = command == "1" })
}

func readLinkType(_ *FS, n *node) string { return n.net.Settings().LinkType + "\n" }

func writeLinkType(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	return n.net.Change(func(s *bus.Settings) { s.LinkType = command })
}

func readPortName(_ *FS, n *node) string {
	if name := n.port.Info().Name; name != "" {
		return name + "\n"
	}
	return ""
}

func writePortName(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	return n.port.SetName(command)
}

func readPortQueue(_ *FS, n *node) string { return itoa(n.port.Queue()) + "\n" }

// inherit is what ends an override of a port.
const inherit = "network"

func writePortQueue(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	if command == inherit {
		return n.port.SetQueue(0)
	}
	v, err := parseNumber(command)
	if err == nil {
		err = fail.CheckRange("queue", v, 1, bus.MaxQueue)
	}
	if err != nil {
		return err
	}
	return n.port.SetQueue(v)
}

func readPortOverflow(_ *FS, n *node) string { return n.port.Overflow().String() + "\n" }

func writePortOverflow(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	if command == inherit {
		return n.port.SetOverflow(nil)
	}
	o, err := bus.ParseOverflow(command)
	if err != nil {
		return err
	}
	return n.port.SetOverflow(&o)
}

func readMirror(_ *FS, n *node) string {
	return line(strings.Trim(fmt.Sprint(n.port.Mirror()), "[]"))
}

// writeMirror takes port numbers between spaces or commas; none clears.
func writeMirror(_ *FS, n *node, _ *fuse.InHeader, command string) error {
	words := strings.FieldsFunc(command, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(words) == 1 && words[0] == "none" {
		words = nil
	}
	numbers := make([]int, len(words))
	for i, word := range words {
		var err error
		if numbers[i], err = parseNumber(word); err != nil {
			return err
		}
	}
	return n.port.SetMirror(numbers)
}
