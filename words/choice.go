package words

import (
	"slices"
	"strings"
)

// OneOf reads one of the words of a list, and gives its place there.
func OneOf(what, text string, list ...string) (int, error) {
	i := slices.Index(list, text)
	if i < 0 {
		return 0, invalid("unknown %s %q: one of %s", what, text, strings.Join(list, ", "))
	}
	return i, nil
}

// OnOff reads on or off.
func OnOff(what, text string) (bool, error) {
	i, err := OneOf(what, text, "off", "on")
	return i == 1, err
}

// FormatOnOff gives what OnOff takes.
func FormatOnOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
