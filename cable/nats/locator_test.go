package nats

import (
	"slices"
	"strings"
	"testing"

	"ipnfs/words"
)

func TestLocator(t *testing.T) {
	for text, want := range map[string][]string{ // servers, and the subject last
		"nats://host:1/lan":                                        {"host:1", "lan"},
		"nats://host/a.b-c_D.7":                                    {"host:4222", "a.b-c_D.7"},
		"nats://a:1,b,[::1]:3,::1/lan":                             {"a:1", "b:4222", "[::1]:3", "[::1]:4222", "lan"},
		"nats://10.0.0.1:65535/" + strings.Repeat("x", maxSubject): {"10.0.0.1:65535", strings.Repeat("x", maxSubject)},
	} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		c, err := read(l)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := append(slices.Clone(c.servers), c.subject); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{
		"nats://host:1", "nats://host:1/", "nats:///lan", "nats://host:0/lan", "nats://host:65536/lan", "nats://host:x/lan", "nats://:1/lan",
		"nats://a@b:1/lan", "nats://a:1,,b:1/lan", "nats://a:1/>", "nats://a:1/x.*", "nats://a:1/.x", "nats://a:1/x.", "nats://a:1/x..y", "nats://a:1/$SYS.x", "nats://a:1/x%20y",
		"nats://a:1/" + strings.Repeat("x", maxSubject+1), "nats://a:1/lan?tls=maybe", "nats://a:1/lan?color=red",
		"nats://" + strings.Repeat("a:1,", maxServers) + "b:1/lan",
	} {
		l, err := words.ParseLocator(text)
		if err == nil {
			_, err = read(l)
		}
		if err == nil {
			t.Errorf("%.60s is taken", text)
		}
	}
}
