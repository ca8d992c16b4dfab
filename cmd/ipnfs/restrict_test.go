package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseGrants(t *testing.T) {
	got, err := parseGrants("lan:r,guest,/ipn/x:w,lan:7,a:r:rw,b:ro")
	want := grants{{"lan", mayReceive}, {"guest", mayBoth}, {"/ipn/x", maySend}, {"lan:7", mayBoth}, {"a:r", mayBoth}, {"b:ro", mayBoth}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, list := range []string{"", ",", "lan,", ":r", "lan, guest", "a b", "lan:r,lan:w", "lan,lan"} {
		if got, err := parseGrants(list); err == nil {
			t.Errorf("%q is taken for %v", list, got)
		}
	}
}

func TestGrantsFind(t *testing.T) {
	granted, err := parseGrants("lan:r,/ipn/x:w,lan:7,-v")
	if err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]grant{
		"lan": {"lan", mayReceive}, "ipnfs plug lan": {"lan", mayReceive}, "-v lan": {"lan", mayReceive}, "ipnfs plug -v /ipn/x": {"/ipn/x", maySend},
		"lan:7": {"lan:7", mayBoth}, "-v": {"-v", mayBoth}, "ipnfs plug -v": {"-v", mayBoth}, "-v -v": {"-v", mayBoth},
	} {
		got, verbose, err := granted.find(command)
		if err != nil || got != want || verbose != (strings.Contains(command, "-v ")) {
			t.Errorf("%q gives %v, %v, %v, want %v", command, got, verbose, err, want)
		}
	}
	for _, command := range []string{
		"", " ", "wan", "lan:", "lan:8", "/ipn/lan", "x", "/ipn/x/", "/ipn//x", "./lan", "lan ", " lan", "lan\n", "lan;id", "'lan'", "lan wan", "-v lan -v",
		"ipnfs", "plug lan", "ipnfs plug", "ipnfs ls", "ipnfs  plug lan", "/bin/ipnfs plug lan", "ipnfs plug --restrict wan lan",
		"ipnfs plug -- lan", "-v -v lan", "ipnfs -v plug lan", "ipnfs plug ipnfs plug lan", "lan:r", "lan\x00",
	} {
		if got, _, err := granted.find(command); err == nil {
			t.Errorf("%q gives %v", command, got)
		}
	}
}

// Whatever is asked for, what is given stands in the list, and in the command.
func FuzzGrantsFind(f *testing.F) {
	f.Add("lan:r,/ipn/x", "ipnfs plug -v lan")
	f.Add("a:7:rw,b", "a:7")
	f.Fuzz(func(t *testing.T, list, command string) {
		granted, err := parseGrants(list)
		if err != nil {
			return
		}
		g, verbose, err := granted.find(command)
		if err != nil {
			return
		}
		rest, ok := strings.CutSuffix(command, g.target)
		rest = strings.TrimPrefix(rest, "ipnfs plug ")
		if !ok || !slices.Contains(granted, g) || rest != "" && rest != "-v " || verbose != (rest == "-v ") {
			t.Errorf("%q and %q give %v, %v", list, command, g, verbose)
		}
	})
}
