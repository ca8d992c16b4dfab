// Package vde is the socket ctl in the directory of each network: the control
// protocol of VDE, by which the directory is a vde_switch to vde_plug, QEMU, UML,
// VirtualBox and all that uses libvdeplug.
//
// # The path of a client
//
//  1. He connects to ctl and sends a request: the port that he wants,
//     and the address of a datagram socket that he has bound.
//  2. A datagram socket is made that he can reach. It is connected to his, which is
//     looked for where he lives and with his rights, and must be his own (client.go,
//     diag.go).
//  3. It joins the network as a port (serve.go), and its address is the answer. From
//     then on a datagram is a frame, both ways (lane/vdeplug, which has the layout of
//     requests, too).
//  4. The port leaves when he closes the connection to ctl, or his datagram socket
//     takes no more.
//
// The answer comes when the port is there, so that no frame is lost in between.
// Clients send by blocking calls, some of them from their main loop: a lane reads
// whatever they send.
package vde
