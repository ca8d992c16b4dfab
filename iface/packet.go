package iface

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// packetRoom is how many bytes of frames may wait in the kernel for us, and how
// many of ours for the interface: some milliseconds. The kernel's default is
// three super-frames.
const packetRoom = 8 << 20

// openPacket opens a socket on an interface in the namespace of the calling
// thread. It takes no frame before bindPacket.
func openPacket(index int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	for _, option := range []int{
		unix.PACKET_VNET_HDR,        // segments and checksums as they are, a header tells
		unix.PACKET_AUXDATA,         // the VLAN tag that the kernel takes out
		unix.PACKET_IGNORE_OUTGOING, // what the host sends is not for the network
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1); err != nil {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("packet socket, option %d: %w", option, err)
		}
	}
	// What root may have, or else what is allowed.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, packetRoom)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, packetRoom)
	promiscuous := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &promiscuous); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("promiscuous mode: %w", err)
	}
	return fd, nil
}

// bindPacket lets the socket take the frames of an interface, and no others.
func bindPacket(fd, index int) error {
	all := uint16(unix.ETH_P_ALL)
	err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: index})
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	return nil
}
