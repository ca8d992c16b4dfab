package main

// The policies and devices of this build. A smaller build is an edit of this
// file.
import (
	_ "ipnfs/iface"
	_ "ipnfs/policies/broadcast"
	_ "ipnfs/policies/l2switch"
)
