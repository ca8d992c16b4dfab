package main

import (
	"fmt"
	"os"
	"time"
)

// Each sender sends congestFrames, congestStep a millisecond. The congested port is to get 1.5 times
// that, and takes half of congestStep a millisecond.
const (
	congestFrames = 10000
	congestStep   = 10
	toFree        = congestFrames / 2
	toCongested   = congestFrames * 3 / 2
	congestLimit  = 20 * time.Second // for a sender that has to wait
)

// congestion does RFC 2889, 5.5: does a port suffer while another one is congested?
func congestion(overflow string) func(*session, *daemon) (string, error) {
	return func(b *session, d *daemon) (string, error) {
		network, err := makeSwitch(d, "congested-"+overflow, "overflow "+overflow)
		if err != nil {
			return "", err
		}
		defer os.Remove(network)
		doors, err := openDoors(network, "port", 4)
		if err != nil {
			return "", err
		}
		defer closeDoors(doors)
		if err := introduce(doors); err != nil {
			return "", err
		}
		type outcome struct {
			frames int
			last   time.Duration
			err    error
		}
		start := time.Now()
		sent := make(chan error, 2)
		free, congested := make(chan outcome, 1), make(chan outcome, 1)
		go func() { sent <- offer(doors[0], station(0), station(2), station(3)) }()
		go func() { sent <- offer(doors[1], station(1), station(3), station(3)) }()
		take := func(d *door, expect, step int, to chan outcome) {
			n, last, err := collect(d, expect, step)
			to <- outcome{n, last.Sub(start), err}
		}
		go take(doors[2], toFree, toFree, free)
		go take(doors[3], toCongested, congestStep/2, congested)
		for range cap(sent) {
			if e := <-sent; e != nil {
				err = e
			}
		}
		f, c := <-free, <-congested
		for _, e := range []error{f.err, c.err} {
			if e != nil {
				err = e
			}
		}
		offered := time.Duration(congestFrames/congestStep) * time.Millisecond
		return fmt.Sprintf("uncongested port: %.1f %% lost, %.1f s for %.1f s of frames; congested port: %.1f %% lost, %.1f s",
			lost(f.frames, toFree), f.last.Seconds(), offered.Seconds(), lost(c.frames, toCongested), c.last.Seconds()), err
	}
}

func lost(got, of int) float64 { return 100 * float64(of-got) / float64(of) }

// offer sends congestFrames to two addresses in turn.
func offer(d *door, from [6]byte, to ...[6]byte) error {
	start := time.Now()
	if err := d.file.SetWriteDeadline(start.Add(congestLimit)); err != nil {
		return err
	}
	for i := range congestFrames {
		if i%congestStep == 0 {
			time.Sleep(time.Until(start.Add(time.Duration(i/congestStep) * time.Millisecond)))
		}
		if err := d.send(frame(to[i%len(to)], from)); err != nil {
			return err
		}
	}
	return nil
}

// collect counts frames, at most step a millisecond, until all are there or none comes any more. It
// says when the last one came.
func collect(d *door, expect, step int) (got int, last time.Time, err error) {
	for start := time.Now(); got < expect; {
		if got%step == 0 {
			time.Sleep(time.Until(start.Add(time.Duration(got/step) * time.Millisecond)))
		}
		n, err := d.receive(1, time.Second)
		if n == 0 || err != nil {
			return got, last, err
		}
		got, last = got+n, time.Now()
	}
	return got, last, nil
}
