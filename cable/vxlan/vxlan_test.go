package vxlan

import (
	"reflect"
	"strings"
	"testing"

	"net/netip"

	"ipnfs/bus/fail"
	"ipnfs/words"
)

func TestParse(t *testing.T) {
	group := netip.MustParseAddr("239.1.1.1")
	for text, want := range map[string]config{
		"vxlan://10.0.0.2?vni=7":                             {peers: []string{"10.0.0.2"}, vni: 7, port: 4789, learn: true},
		"vxlan://a,b,fd00::1?vni=0&learn=off":                {peers: []string{"a", "b", "fd00::1"}, port: 4789},
		"vxlan://239.1.1.1?vni=16777215&dev=eth0&ttl=3":      {group: group, vni: 1<<24 - 1, port: 4789, device: "eth0", ttl: 3, learn: true},
		"vxlan://a?vni=1&group=239.1.1.1&port=8472":          {peers: []string{"a"}, group: group, vni: 1, port: 8472, learn: true},
		"vxlan://a?checksum=off&vni=1":                       {peers: []string{"a"}, vni: 1, port: 4789, learn: true, noChecksum: true},
		"vxlan://fe80::1%25eth0?vni=1":                       {peers: []string{"fe80::1%eth0"}, vni: 1, port: 4789, learn: true},
		"vxlan://a?vni=1&group=ff05::7&learn=on&checksum=on": {peers: []string{"a"}, group: netip.MustParseAddr("ff05::7"), vni: 1, port: 4789, learn: true},
	} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parse(l); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, kind := range map[string]fail.Kind{
		"vxlan://a":                                       fail.Invalid,
		"vxlan://a?vni=x":                                 fail.Invalid,
		"vxlan://a?vni=16777216":                          fail.Range,
		"vxlan://a?vni=1&vni=2":                           fail.Invalid,
		"vxlan://a?vni=1&port=0":                          fail.Range,
		"vxlan://a?vni=1&ttl=256":                         fail.Range,
		"vxlan://a?vni=1&ttl=0":                           fail.Range,
		"vxlan://a?vni=1&learn=perhaps":                   fail.Invalid,
		"vxlan://a?vni=1&group=10.0.0.1":                  fail.Invalid,
		"vxlan://a?vni=1&group=g":                         fail.Invalid,
		"vxlan://a?vni=1&dev=0123456789abcdef":            fail.Invalid,
		"vxlan://a?vni=1&dev=a/b":                         fail.Invalid,
		"vxlan://a?vni=1&secret=1":                        fail.Invalid,
		"vxlan://a,?vni=1":                                fail.Invalid,
		"vxlan://239.1.1.1,239.1.1.2?vni=1":               fail.Invalid,
		"vxlan://239.1.1.1?vni=1&group=239.1.1.1":         fail.Invalid,
		"vxlan://" + strings.Repeat("a,", 64) + "a?vni=1": fail.Range,
	} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := parse(l); fail.KindOf(err) != kind {
			t.Errorf("%s is read as %+v, %v", text, c, err)
		}
	}
}
