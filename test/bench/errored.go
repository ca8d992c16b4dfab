package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// erroredFrames does RFC 2889, 5.9, as far as a file can send such frames: it has neither FCS nor bits.
func erroredFrames(_ *session, d *daemon) (string, error) {
	const mtu = 1514
	network, err := makeSwitch(d, "errored", fmt.Sprint("mtu ", mtu))
	if err != nil {
		return "", err
	}
	defer os.Remove(network)
	doors, err := openDoors(network, "port", 2)
	if err != nil {
		return "", err
	}
	defer closeDoors(doors)
	if err := introduce(doors); err != nil {
		return "", err
	}
	long := make([]byte, mtu+1)
	copy(long, frame(station(1), station(0)))
	group := station(0)
	group[0] |= 1
	cases := []struct {
		name  string
		frame []byte
	}{
		{"1 byte", long[:1]}, {"13 bytes", long[:13]}, {"14 bytes (a header alone)", long[:14]}, {"59 bytes (a runt)", long[:59]},
		{"60 bytes", long[:60]}, {"1514 bytes", long[:mtu]}, {"1515 bytes (too long, mtu 1514)", long},
		{"source is a group", frame(station(1), group)},
	}
	var results []string
	for _, c := range cases {
		result := "filtered"
		err := doors[0].send(c.frame)
		switch {
		case errors.Is(err, unix.EMSGSIZE):
			result = "refused, EMSGSIZE"
		case err != nil:
			return "", err
		}
		got, err := doors[1].receive(1, quiet)
		if err != nil {
			return "", err
		}
		if got > 0 {
			result = "forwarded"
		}
		results = append(results, c.name+": "+result)
	}
	return strings.Join(results, "; ") + "; errors of FCS, alignment and bits: there are none on a file", nil
}
