// Package vdeplug is what both ends of VDE's control protocol share: the layout of a
// request and of an answer (request.go, address.go), and the driver of the datagram
// sockets by which frames then come and go (driver.go). ipnfs is the switch in door/vde,
// and the client in cable/vde.
//
// The path of a frame: the lane learns that the socket has datagrams. Read receives a
// burst of them by recvmmsg into the lane's memory and lends it to a batch, which goes
// into the bus; Write sends a burst by sendmmsg. Nothing is copied in between.
package vdeplug
