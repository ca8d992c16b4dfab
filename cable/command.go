package cable

import (
	"strings"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/words"
)

// command is what a line for the file asks.
type command struct {
	scheme  Scheme
	locator words.Locator
	port    bus.JoinOptions
	name    string // empty: SCHEME and a number
	group   string
	maxLen  int    // longest frame in bytes that may go out; 0: what the link carries
	netns   string // empty: the caller's own
}

// options are the words that may follow a locator.
func (c *command) options() words.Options {
	return words.Options{
		words.One("port", &c.port.Number, words.Between(1, policy.MaxPorts)),
		words.One("name", &c.name, parseName),
		words.One("group", &c.group, parseName),
		words.One("mtu", &c.maxLen, words.Between(frame.MinMTU, frame.MaxFrame)),
		words.One("netns", &c.netns, words.Text),
	}
}

// parse reads LOCATOR [KEY=VALUE]... What is no option is taken for a setting that
// the policy has for the port, which the network finds out: see bus.JoinOptions.
func parse(line string) (*command, error) {
	c := &command{}
	options := c.options()
	text, rest, err := split(line, options)
	if err != nil {
		return nil, err
	}
	if c.locator, err = words.ParseLocator(text); err != nil {
		return nil, err
	}
	if c.scheme, err = schemeOf(c.locator.Scheme); err != nil {
		return nil, err
	}
	c.port.Make, c.port.Alone, c.port.Words = true, true, options.String()
	err = options.Read(rest, func(w words.Word) error {
		c.port.Setup = append(c.port.Setup, bus.PortSetting{Name: w.Key, Value: w.Value})
		return nil
	})
	return c, err
}

// split takes a line apart into the text of a locator and the words behind it. Where
// the locator is a command, only options count as words behind it: a word that looks
// like one belongs into quotes, or gets a %3D for its =.
func split(line string, options words.Options) (text string, rest []words.Word, err error) {
	scheme, _, _ := strings.Cut(line, "://")
	if s, err := schemeOf(scheme); err != nil || !s.Command {
		text, rest = words.Name(line)
		return text, rest, nil
	}
	line = strings.TrimSpace(line)
	for {
		i := strings.LastIndexAny(line, " \t")
		if i < 0 {
			break
		}
		w := words.Cut(line[i+1:])
		if options.Find(w.Key) == nil || !w.Valued {
			break
		}
		rest = append([]words.Word{w}, rest...)
		line = strings.TrimRight(line[:i], " \t")
	}
	return strings.NewReplacer(" ", "%20", "\t", "%09", "?", "%3F").Replace(line), rest, nil
}

// parseName reads the name of a cable or a group.
func parseName(what, text string) (string, error) {
	if err := bus.CheckName(text); err != nil {
		return "", fail.Errorf(fail.Invalid, "%s %q: letters, digits and -_. make a good one: %v", what, text, err)
	}
	return text, nil
}

// parseDetach reads NAME.
func parseDetach(line string) (name string, err error) {
	name, rest := words.Name(line)
	if len(rest) > 0 {
		return "", fail.Errorf(fail.Invalid, "-%s takes it off: nothing may follow the name", name)
	}
	return name, nil
}
