package main

import (
	"errors"
	"fmt"
	"strings"
)

// rights are what may be done at a port.
type rights int

const (
	mayReceive rights = 1 << iota
	maySend
	mayBoth = mayReceive | maySend
)

func (r rights) String() string {
	switch r {
	case mayReceive:
		return "to receive only: what comes on standard input is dropped"
	case maySend:
		return "to send only"
	}
	return "to receive and send"
}

// grant is what plug may join, as it is written, and how.
type grant struct {
	target string
	rights rights
}

// grants are the list of --restrict.
type grants []grant

// parseGrants reads a list: TARGET[:r|:w|:rw] with commas between.
func parseGrants(list string) (granted grants, err error) {
	for _, word := range strings.Split(list, ",") {
		g := grant{word, mayBoth}
		if i := strings.LastIndexByte(word, ':'); i >= 0 {
			if r, ok := map[string]rights{"r": mayReceive, "w": maySend, "rw": mayBoth}[word[i+1:]]; ok {
				g = grant{word[:i], r}
			}
		}
		if g.target == "" || len(strings.Fields(g.target)) != 1 || strings.TrimSpace(g.target) != g.target {
			return nil, fmt.Errorf("%q is no NET[:PORT][:r|:w]", word)
		}
		for _, other := range granted {
			if other.target == g.target {
				return nil, fmt.Errorf("%q stands there twice", g.target)
			}
		}
		granted = append(granted, g)
	}
	return granted, nil
}

// find reads what somebody asked for by ssh, [ipnfs plug] [-v] TARGET, and
// returns the grant that allows it. The target must be what the list has, byte
// for byte: nothing is looked up, unquoted or completed. All else is refused.
func (granted grants) find(command string) (g grant, verbose bool, err error) {
	words := strings.Split(command, " ")
	if len(words) > 2 && words[0] == "ipnfs" && words[1] == "plug" {
		words = words[2:]
	}
	if len(words) == 2 && words[0] == "-v" {
		words, verbose = words[1:], true
	}
	if len(words) == 1 {
		for _, g := range granted {
			if g.target == words[0] {
				return g, verbose, nil
			}
		}
	}
	if command == "" {
		return grant{}, false, errors.New("SSH_ORIGINAL_COMMAND names no network: ssh HOST ipnfs plug NET")
	}
	return grant{}, false, fmt.Errorf("%.100q is not allowed here: only ipnfs plug NET, of networks that the key is for", command)
}
