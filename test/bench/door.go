package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// etherType is IEEE 802's for local experiments; peers/frames sends the same.
const etherType = 0x88b5

// station is an ethernet address; different numbers have different ones.
func station(n int) [6]byte {
	a := [6]byte{0x02} // locally administered, not a group
	binary.BigEndian.PutUint32(a[2:], uint32(n))
	return a
}

// frame makes a frame of the least length, 60 bytes without the FCS.
func frame(to, from [6]byte) []byte {
	f := make([]byte, 60)
	copy(f, to[:])
	copy(f[6:], from[:])
	binary.BigEndian.PutUint16(f[12:], etherType)
	return f
}

// door is a port of a network, opened by its file `port` (a frame a call) or `stream`.
type door struct {
	file   *os.File
	stream bool
	buf    []byte
}

func openDoors(network, file string, n int) ([]*door, error) {
	var doors []*door
	for range n {
		f, err := os.OpenFile(filepath.Join(network, file), os.O_RDWR, 0)
		if err != nil {
			closeDoors(doors)
			return nil, err
		}
		doors = append(doors, &door{f, file == "stream", make([]byte, 1<<16)})
	}
	return doors, nil
}

func closeDoors(doors []*door) {
	for _, d := range doors {
		d.file.Close()
	}
}

// send sends frames; by a stream, in one call.
func (d *door) send(frames ...[]byte) error {
	var all []byte
	for _, f := range frames {
		if !d.stream {
			if _, err := d.file.Write(f); err != nil {
				return err
			}
			continue
		}
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(f))), f...)
	}
	if len(all) == 0 {
		return nil
	}
	_, err := d.file.Write(all)
	return err
}

// receive counts frames until there are n, or none comes for the time of wait.
func (d *door) receive(n int, wait time.Duration) (int, error) {
	got := 0
	for got < n {
		if err := d.file.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return got, err
		}
		count, err := d.read()
		got += count
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
	return got, nil
}

// read waits for frames and counts what one call brings.
func (d *door) read() (frames int, err error) {
	n, err := d.file.Read(d.buf)
	if err != nil {
		return 0, err
	}
	if !d.stream {
		return 1, nil
	}
	for rest := d.buf[:n]; len(rest) > 0; frames++ {
		if len(rest) < 2 || len(rest) < 2+int(binary.BigEndian.Uint16(rest)) {
			return frames, fmt.Errorf("a frame in pieces: %d bytes", len(rest))
		}
		rest = rest[2+int(binary.BigEndian.Uint16(rest)):]
	}
	return frames, nil
}

// introduce lets every door say where its station is, which has the door's number.
func introduce(doors []*door) error {
	for i, d := range doors {
		if err := d.send(frame([6]byte{255, 255, 255, 255, 255, 255}, station(i))); err != nil {
			return err
		}
	}
	for _, d := range doors {
		got, err := d.receive(len(doors)-1, time.Second)
		if err != nil {
			return err
		}
		if got < len(doors)-1 {
			return fmt.Errorf("%d broadcasts of %d arrived", got, len(doors)-1)
		}
	}
	return nil
}
