package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const sectionThousand = "A thousand ports"

// thousandPorts is as many as a network has room for, beside hosts, as it is made.
const thousandPorts = 1000

const thousandNote = "Ports made in a network of four hosts and removed, one after the other: devices in one namespace, up. ipnfs: by `veth`; ipnfs-tap: by " +
	"`tap`; bridge: veth pairs, by `ip -batch`. Meanwhile the flags of an interface are set to what they are, each " +
	"millisecond, which takes the kernel's lock of all devices (rtnl): how long that takes. One run."

// thousands are the candidates.
var thousands = []netSwitch{
	{"bridge", nil, (*session).startBridge},
	{"ipnfs-tap", nil, (*session).startIPNFS},
	{"ipnfs", nil, veths()},
}

// thousandTests make and remove ports.
func thousandTests(columns []string) []test {
	return forSwitches(sectionThousand, "ipnfs-tap", columns, []test{{id: "ports", once: true, measure: thousand, rows: []row{
		{title: "made, s in all, ms a port", key: "made"},
		{title: "removed, s in all, ms a port", key: "removed"},
		{title: "wait for rtnl while ports are made, median / p99 µs", key: "making_p50", second: "making_p99"},
		{title: "wait for rtnl while ports are made, most µs", key: "making_most"},
		{title: "wait for rtnl while ports are removed, median / p99 µs", key: "removing_p50", second: "removing_p99"},
		{title: "wait for rtnl while ports are removed, most µs", key: "removing_most"},
	}}})
}

// thousand makes and removes ports.
func thousand(b *session, l *lan) (map[string]float64, error) {
	values := map[string]float64{}
	for _, step := range []struct{ done, doing string }{{"made", "making"}, {"removed", "removing"}} {
		waits, start := lockWaits(), time.Now()
		err := b.makePorts(l, step.done == "removed")
		seconds := time.Since(start).Seconds()
		took, failed := waits()
		if err == nil {
			err = failed
		}
		if err != nil {
			return nil, err
		}
		values[step.done] = seconds
		values[step.doing+"_p50"], values[step.doing+"_p99"] = took[len(took)/2], took[len(took)*99/100]
		values[step.doing+"_most"] = took[len(took)-1]
	}
	return values, nil
}

// makePorts makes ports of the first host, or removes them.
func (b *session) makePorts(l *lan, remove bool) error {
	host := l.hosts[0].netns
	if l.doors == "" {
		return b.makeBridgePorts(l, host, remove)
	}
	file := "tap"
	if l.name == "ipnfs" {
		file = "veth"
	}
	for i := range thousandPorts {
		command := fmt.Sprintf("many%d netns=%s up", i, host)
		if remove {
			command = fmt.Sprintf("-many%d netns=%s", i, host)
		}
		if err := write(l.doors, file, command); err != nil {
			return err
		}
	}
	return nil
}

func (b *session) makeBridgePorts(l *lan, host string, remove bool) error {
	var ports, ends strings.Builder
	for i := range thousandPorts {
		if remove {
			fmt.Fprintf(&ports, "link del many%d\n", i)
			continue
		}
		fmt.Fprintf(&ports, "link add many%d type veth peer name many%d netns %s\nlink set many%d master br0 up\n", i, i, host, i)
		fmt.Fprintf(&ends, "link set many%d up\n", i)
	}
	if err := b.batch(l.space, "ip", ports.String()); err != nil {
		return err
	}
	return b.batch(host, "ip", ends.String())
}

// lockWaits begins to set the flags of an interface, to what they are, each millisecond. What it
// returns ends that and tells how many µs each took, sorted.
func lockWaits() func() ([]float64, error) {
	end, ended := make(chan struct{}), make(chan error)
	var took []float64
	go func() {
		ended <- func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			lo, err := unix.NewIfreq("lo")
			if err != nil {
				return err
			}
			if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
				return err
			}
			for {
				start := time.Now()
				if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
					return err
				}
				took = append(took, float64(time.Since(start).Nanoseconds())/1e3)
				select {
				case <-end:
					return nil
				case <-time.After(time.Millisecond):
				}
			}
		}()
	}()
	return func() ([]float64, error) {
		close(end)
		err := <-ended
		slices.Sort(took)
		return took, err
	}
}
