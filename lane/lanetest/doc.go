// Package lanetest is for tests of sources of lanes: a driver of a datagram
// socket that is as small as one can be, the far end of such a socket, and checks
// that nothing stays behind.
package lanetest
