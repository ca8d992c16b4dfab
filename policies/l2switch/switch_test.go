package l2switch

import (
	"testing"

	"ipnfs/bus/bustest"
)

func TestSwitch(t *testing.T) { bustest.TestPolicy(t, Name) }

func TestSwitchWithVLANs(t *testing.T) { bustest.TestPolicy(t, Name, bustest.Args("vlan=on")) }

func TestSwitchWithSnooping(t *testing.T) { bustest.TestPolicy(t, Name, bustest.Args("snooping=on")) }
