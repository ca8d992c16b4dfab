// Nats measures what goes from one to many: messages of nats.go, or frames of networks that are
// joined by cables.
//
//	nats bare  ADDRESS RECEIVERS BYTES SECONDS
//	nats files MOUNT   RECEIVERS BYTES SECONDS
//
// It says as JSON how many the slowest receiver got a second, and how many all got. The sender is no
// more than a MiB, or 8192, ahead of the slowest, so that nothing is lost.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// trial is one measurement.
type trial struct {
	bytes  int
	window uint64
	got    []atomic.Uint64 // by receiver
	sent   uint64
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("bare|files WHERE RECEIVERS BYTES SECONDS")
	}
	receivers, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	t := &trial{got: make([]atomic.Uint64, receivers)}
	if t.bytes, err = strconv.Atoi(args[3]); err != nil {
		return err
	}
	t.window = uint64(min(8192, 1<<20/t.bytes))
	seconds, err := strconv.ParseFloat(args[4], 64)
	if err != nil {
		return err
	}
	prepare := t.bare
	if args[0] == "files" {
		prepare = t.files
	}
	send, err := prepare(args[1])
	if err != nil {
		return err
	}
	return t.measure(send, time.Duration(seconds*float64(time.Second)))
}

// slowest is how many the slowest receiver has, and all how many all have.
func (t *trial) slowest() (slowest, all uint64) {
	slowest = t.got[0].Load()
	for i := range t.got {
		n := t.got[i].Load()
		slowest, all = min(slowest, n), all+n
	}
	return slowest, all
}

// measure sends for as long as that, after a while to warm up. send sends some, as few as it likes.
func (t *trial) measure(send func(most int) (sent int, err error), long time.Duration) error {
	var began time.Time
	var from, fromAll, progress uint64
	warm := time.Now().Add(long / 4)
	last := time.Now()
	for {
		slowest, all := t.slowest()
		now := time.Now()
		switch {
		case slowest > progress:
			progress, last = slowest, now
		case now.Sub(last) > 2*time.Second:
			return fmt.Errorf("%d were sent, and the slowest receiver has %d: some are lost", t.sent, slowest)
		}
		if began.IsZero() && now.After(warm) {
			began, from, fromAll = now, slowest, all
		}
		if !began.IsZero() && now.Sub(began) > long {
			s := now.Sub(began).Seconds()
			return json.NewEncoder(os.Stdout).Encode(map[string]float64{
				"ops": float64(slowest-from) / s, "deliveries": float64(all-fromAll) / s, "all": float64(all),
			})
		}
		if ahead := t.sent - slowest; ahead < t.window {
			n, err := send(int(t.window - ahead))
			if err != nil {
				return err
			}
			t.sent += uint64(n)
		} else {
			time.Sleep(20 * time.Microsecond)
		}
	}
}

// bare is by messages of nats.go.
func (t *trial) bare(address string) (func(int) (int, error), error) {
	for i := range t.got {
		c, err := nats.Connect("nats://" + address)
		if err != nil {
			return nil, err
		}
		if _, err := c.Subscribe("bench", func(*nats.Msg) { t.got[i].Add(1) }); err != nil {
			return nil, err
		}
		if err := c.Flush(); err != nil {
			return nil, err
		}
	}
	c, err := nats.Connect("nats://" + address)
	message := make([]byte, t.bytes)
	return func(most int) (int, error) {
		for range most {
			if err := c.Publish("bench", message); err != nil {
				return 0, err
			}
		}
		return most, nil
	}, err
}

// files is by the networks out and in0, in1...
func (t *trial) files(mount string) (func(int) (int, error), error) {
	for i := range t.got {
		door, err := os.Open(filepath.Join(mount, fmt.Sprintf("in%d", i), "stream"))
		if err != nil {
			return nil, err
		}
		go func() {
			buf := make([]byte, 1<<16)
			for {
				n, err := door.Read(buf)
				if err != nil || n == 0 {
					return
				}
				count := 0
				for at := 0; at < n; count++ { // whole frames, each behind 2 bytes of length
					at += 2 + int(buf[at])<<8 + int(buf[at+1])
				}
				t.got[i].Add(uint64(count))
			}
		}()
	}
	door, err := os.OpenFile(filepath.Join(mount, "out", "stream"), os.O_WRONLY, 0)
	frame := make([]byte, 2+t.bytes)
	frame[0], frame[1] = byte(t.bytes>>8), byte(t.bytes)
	for i := range 6 {
		frame[2+i] = 0xff
	}
	frame[2+6] = 2
	var frames []byte
	for len(frames)+len(frame) <= 1<<16 {
		frames = append(frames, frame...)
	}
	return func(most int) (int, error) {
		n := min(most*len(frame), len(frames))
		_, err := door.Write(frames[:n])
		return n / len(frame), err
	}, err
}
