package main

import (
	"fmt"
	"os"
	"time"
)

const (
	maxAddresses = 1 << 20 // where the search for the capacity ends
	chunk        = 64      // frames a call
	quiet        = 50 * time.Millisecond
)

// addressTest teaches a new switch n addresses at one port and sends a frame to each of them from
// another. It says whether a third port has seen one of these, and at which rate was taught.
func addressTest(b *session, d *daemon, n int) (flooded bool, rate float64, err error) {
	network, err := makeSwitch(d, fmt.Sprintf("addresses-%d", n))
	if err != nil {
		return false, 0, err
	}
	defer os.Remove(network)
	doors, err := openDoors(network, "stream", 3)
	if err != nil {
		return false, 0, err
	}
	defer closeDoors(doors)
	learning, testing, monitor := doors[0], doors[1], doors[2]
	if err := introduce(doors); err != nil {
		return false, 0, err
	}
	if rate, err = teach(learning, station(1), n); err != nil {
		return false, 0, err
	}
	for at := 0; at < n && b.ctx.Err() == nil; at += chunk {
		var frames [][]byte
		for i := at; i < min(at+chunk, n); i++ {
			frames = append(frames, frame(pupil(i), station(1)))
		}
		if err := testing.send(frames...); err != nil {
			return false, 0, err
		}
		got, err := learning.receive(len(frames), 5*time.Second)
		if err == nil && got != len(frames) {
			err = fmt.Errorf("%d frames of %d arrived where their addresses are", got, len(frames))
		}
		if err != nil {
			return false, 0, err
		}
	}
	seen, err := monitor.receive(1, quiet)
	return seen > 0, rate, err
}

// pupil is the i-th of the addresses to learn.
func pupil(i int) [6]byte { return station(1000 + i) }

// teach sends a frame from each of n addresses as fast as it can, and returns their rate.
func teach(d *door, to [6]byte, n int) (float64, error) {
	var batches [][][]byte
	for at := 0; at < n; at += chunk {
		var frames [][]byte
		for i := at; i < min(at+chunk, n); i++ {
			frames = append(frames, frame(to, pupil(i)))
		}
		batches = append(batches, frames)
	}
	start := time.Now()
	for _, frames := range batches {
		if err := d.send(frames...); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// capacity finds the largest number of addresses to which nothing is flooded, and at which rate they
// were taught.
func capacity(b *session, d *daemon) (known int, rate float64, err error) {
	unknown := maxAddresses + 1
	for n := 1024; known+1 < unknown; {
		flooded, r, err := addressTest(b, d, n)
		if err == nil {
			err = b.ctx.Err()
		}
		if err != nil {
			return 0, 0, err
		}
		if flooded {
			unknown = n
		} else {
			known, rate = n, r
		}
		if n = 2 * known; known == 0 || n >= unknown {
			n = (known + unknown) / 2
		}
	}
	return known, rate, nil
}

// addresses does RFC 2889, 5.7 and 5.8.
func addresses(b *session, d *daemon) (string, error) {
	n, rate, err := capacity(b, d)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "learns no address", nil
	}
	return fmt.Sprintf("%d addresses and those of the three ports; learned at %s a second, as fast as one sender can", n, figure(rate)), nil
}
