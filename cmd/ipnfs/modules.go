package main

// The policies, devices, doors and cables of this build. A smaller build is an edit of this
// file.
import (
	"ipnfs/cable"
	_ "ipnfs/cable/cmd"
	_ "ipnfs/cable/ipn"
	_ "ipnfs/cable/nats"
	_ "ipnfs/cable/qemu"
	_ "ipnfs/cable/seq"
	_ "ipnfs/cable/tls"
	_ "ipnfs/cable/udp"
	_ "ipnfs/cable/vde"
	_ "ipnfs/cable/vsock"
	_ "ipnfs/cable/vxlan"
	_ "ipnfs/door/qemu"
	_ "ipnfs/door/seq"
	_ "ipnfs/door/vde"
	_ "ipnfs/door/vhost"
	"ipnfs/iface"
	_ "ipnfs/policies/broadcast"
	_ "ipnfs/policies/l2switch"
)

// finish waits until what the modules made for networks that have ended is
// undone: taps released, persistent ones left as others expect them, commands ended.
func finish() {
	iface.Wait()
	cable.Wait()
}
