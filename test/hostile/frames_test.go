package hostile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// onFrames are attacks with frames: one request is much work.
var onFrames = []attack{
	{
		name: "stream-drop-old", // 350,000 frames in one write, each displaces one at each receiver
		setup: func(a *attacker) {
			a.crowd(2000, "stream", "overflow drop-old")
			a.text = tiny()
		},
		step: func(a *attacker) { send(a.door, a.text) },
	},
	{
		name: "stream-drop-new", // as it is without any setting
		setup: func(a *attacker) {
			a.crowd(2000, "stream")
			a.text = tiny()
		},
		step: func(a *attacker) { send(a.door, a.text) },
	},
	{
		name: "port-writes", // one frame a write, to thousands
		setup: func(a *attacker) {
			a.crowd(4000, "port", "overflow drop-old")
		},
		step: func(a *attacker) { _, _ = unix.Write(a.door, []byte("x")) },
	},
	{
		name: "shared-port", // connections that share a number
		setup: func(a *attacker) {
			dir := a.network("shared")
			if err := os.Mkdir(dir+"/ports/1", 0o755); err != nil {
				fail(err)
			}
			a.sender(dir + "/stream")
			a.open(2000, dir+"/ports/1/port", unix.O_RDONLY)
			a.text = tiny()
		},
		step: func(a *attacker) { send(a.door, a.text) },
		check: func(r *trial, m *harness.Mounted) {
			if s := m.Stats(r, "shared"); s["readers"] > 65536 || s["readers"] == 0 {
				r.exceeds("shared has %d readers", s["readers"])
			}
		},
	},
	{
		name:  "snooping", // an IGMP report of 8,000 groups in each frame
		procs: 6,
		setup: func(a *attacker) {
			dir := a.network(fmt.Sprint("groups", a.index), "policy switch", "mtu 65535", "switch/snooping on")
			a.sender(dir + "/port")
			a.open(100, dir+"/port", unix.O_RDONLY|unix.O_NONBLOCK)
		},
		step:  func(a *attacker) { _, _ = unix.Write(a.door, report(uint32(a.count))) },
		known: "a report of groups is taken in whole on the thread of frames",
	},
	{
		name:  "stream-nobody", // frames that nobody gets are work, too
		procs: 6,
		setup: func(a *attacker) {
			a.sender(a.network(fmt.Sprint("nobody", a.index), "policy switch") + "/stream")
		},
		step: func(a *attacker) { send(a.door, stations(everybody, a.count*65278, 65278)) },
	},
	{
		name:  "poll", // each frame wakes thousands who poll
		procs: 3,
		setup: func(a *attacker) {
			dir := a.network(fmt.Sprint("polled", a.index), "maxports 65536", "overflow drop-old", "queue 1")
			a.sender(dir + "/port")
			epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			if err != nil {
				fail(err)
			}
			for _, fd := range a.open(2000, dir+"/port", unix.O_RDONLY|unix.O_NONBLOCK) {
				event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)}
				if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
					fail(err)
				}
			}
			a.fds = []int{epoll}
		},
		step: func(a *attacker) {
			_, _ = unix.Write(a.door, []byte("wake up"))
			_, _ = unix.EpollWait(a.fds[0], make([]unix.EpollEvent, 2000), 0)
		},
	},
}

// report is an IGMPv3 report of as many groups as a frame holds; turn makes it
// another one.
func report(turn uint32) []byte {
	const records = 8000
	igmp := []byte{0x22, 0, 0, 0, 0, 0, records >> 8, records & 0xff}
	for i := range uint32(records) {
		n := turn*records + i
		igmp = append(igmp, 4, 0, 0, 0, 239, byte(n>>16), byte(n>>8), byte(n))
	}
	putSum(igmp[2:], igmp)
	length := 24 + len(igmp)
	ip := []byte{0x46, 0, byte(length >> 8), byte(length), 0, 0, 0, 0, 1, 2, 0, 0,
		10, 0, 0, 1, 224, 0, 0, 22, 0x94, 4, 0, 0}
	putSum(ip[10:], ip)
	frame := []byte("\x01\x00\x5e\x00\x00\x16\x02\x00\x00\x00\x00\x01\x08\x00")
	return append(append(frame, ip...), igmp...)
}

// putSum puts the Internet checksum of text, in which it is 0 so far, to where
// it belongs.
func putSum(to, text []byte) {
	var sum uint32
	for i := 0; i < len(text); i += 2 {
		sum += uint32(text[i])<<8 | uint32(text[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	to[0], to[1] = ^byte(sum>>8), ^byte(sum)
}
