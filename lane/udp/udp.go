// Package udp carries datagrams in bursts, for drivers of sockets whose frames are
// datagrams: many by one call, and many of one size and one address as one piece, which
// the kernel cuts (UDP_SEGMENT) or has put together (UDP_GRO; udp(7)).
//
// The path of what comes in: Receiver.Receive (receive.go) has recvmmsg fill Buffers
// of the lane's Turn, and returns a Run for each: the bytes of one or many datagrams
// as they lie, the size of each, and what control messages (control.go) say of all of
// them. What network and peers report is read by Receiver.Report (report.go) when
// nothing else is there.
//
// The path of what goes out: Sender.Send (send.go) makes runs of the datagrams that it is
// given, a message each, and hands them to sendmmsg. run.go decides what is a run.
//
// For drivers whose datagrams are frames there is more of both: Add (add.go) makes
// super-frames of a run, and Writer (write.go) knows the contract of lane.Driver. How long
// a frame may be tells PathMTU (path.go).
//
// Nothing is copied or allocated, and nothing waits: the socket is non-blocking. It is
// made by Open (socket.go), or by whom else, and is of one family.
package udp
