package fs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/policy"
)

var (
	metricHelp   = regexp.MustCompile(`^# HELP (ipnfs_[a-z_]+) \S.*\.$`)
	metricType   = regexp.MustCompile(`^# TYPE (ipnfs_[a-z_]+) (gauge|counter)$`)
	metricSample = regexp.MustCompile(`^(ipnfs_[a-z_]+)(\{([a-z]+="([^"\\]|\\["\\n])*")(,[a-z]+="([^"\\]|\\["\\n])*")*\})? \d+$`)
)

// The text is what Prometheus reads: each family with its help and type
// first, no name or set of labels twice.
func TestMetrics(t *testing.T) {
	m := newLAN(t)
	ok(t, "mkdir", m.mkdir(`qu"ote\slash`, 0o755))
	ok(t, "mkdir", m.mkdir("ümläut", 0o755))
	text := m.read("metrics")
	family := ""
	seen := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if h := metricHelp.FindStringSubmatch(line); h != nil {
			family = h[1]
		} else if ty := metricType.FindStringSubmatch(line); ty != nil {
			if ty[1] != family || (ty[2] == "counter") != strings.HasSuffix(family, "_total") {
				t.Errorf("line %d: %q in family %s", i+1, line, family)
			}
		} else if s := metricSample.FindStringSubmatch(line); s != nil {
			if s[1] != family {
				t.Errorf("line %d: %q in family %s", i+1, line, family)
			}
		} else {
			t.Errorf("line %d is neither help, type nor sample: %q", i+1, line)
		}
		key, _, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(line, "#") && seen[key] {
			t.Errorf("line %d: %s stands there twice", i+1, key)
		}
		seen[key] = true
	}
	for _, want := range []string{
		`ipnfs_networks 3`, `ipnfs_network_ports{network="lan"} 0`,
		`ipnfs_network_dropped_total{network="qu\"ote\\slash",reason="full"} 0`, `ipnfs_network_frames_total{network="ümläut"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("metrics has no line %s", want)
		}
	}
}

// All counters of stats are in metrics, by the same reasons for drops.
func TestMetricsAreComplete(t *testing.T) {
	m := newLAN(t)
	text := m.read("metrics")
	for _, line := range (&bus.Stats{}).List() {
		if reason, isDrop := strings.CutPrefix(line.Name, "drop_"); isDrop && !strings.Contains(text, fmt.Sprintf("reason=%q", reason)) {
			t.Errorf("drops by %s are missing", reason)
		}
	}
}

func TestReports(t *testing.T) {
	m := newLAN(t)
	if got := m.read("version"); got != "ipnfs test\n" {
		t.Errorf("version is %q", got)
	}
	if got := m.read("policies"); !strings.Contains(got, "hub\tall to all\n") || strings.Count(got, "\n") != len(policy.Types()) {
		t.Errorf("policies are %q", got)
	}
	if got := m.read("features"); !strings.Contains("\n"+got, "\nport\n") || !strings.Contains(got, "stream\n") {
		t.Errorf("features are %q", got)
	}
	value := regexp.MustCompile(`^[a-z_]+ \d+$`)
	for _, path := range []string{"lan/stats", "lan/ports/2/stats"} {
		for _, line := range strings.Split(strings.TrimSuffix(m.read(path), "\n"), "\n") {
			if !value.MatchString(line) {
				t.Errorf("%s: the line %q is not name and value", path, line)
			}
		}
	}
	if got := m.read("lan/ports/2/info"); got != "port 2\nname \"\"\nreserved 1\nconnections 0\n" {
		t.Errorf("info is %q", got)
	}
}

func TestInfo(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	_, status := m.open("lan/port", 2) // O_RDWR
	ok(t, "open", status)
	ok(t, "name", m.write("lan/ports/1/name", "my port"))
	want := regexp.MustCompile(`^port 1
name "my port"
reserved 0
connections 1

kind port
rights rw
uid 1
gid 2
pid 0
comm ""
since \d{4}-\S+Z
$`)
	if got := m.read("lan/ports/1/info"); !want.MatchString(got) {
		t.Errorf("info is\n%s", got)
	}
	_, err := m.bus.Network("lan").Join(&bustest.Sink{}, bus.JoinOptions{Recv: true, Info: bus.Info{Kind: "tap", Detail: "eth 0"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.read("lan/ports/2/info"); !strings.Contains(got, "\nkind tap\nrights r\n") || !strings.HasSuffix(got, "\ndetail \"eth 0\"\n") {
		t.Errorf("info of a tap is\n%s", got)
	}
}

func TestResetStats(t *testing.T) {
	k, a, b := newNet(t)
	k.wantWritten(k.write(a, "x"), 1)
	k.wantData(k.read(b, 10), "x")
	line := func(path, name string) string {
		fh := k.open(path, 0)
		text := string(k.wait(k.read(fh, 4096)).body)
		k.wantErrno(k.release(fh), 0)
		return regexp.MustCompile(`(?m)^` + name + ` (\d+)$`).FindStringSubmatch(text)[1]
	}
	for _, c := range []struct{ reset, ports, network string }{
		{"", "1", "1"}, {"lan/ports/1/stats", "0", "1"}, {"lan/stats", "0", "0"},
	} {
		if c.reset != "" {
			k.must("reset", k.echo("reset\n", c.reset))
		}
		if p, n := line("lan/ports/1/stats", "frames"), line("lan/stats", "frames"); p != c.ports || n != c.network {
			t.Errorf("after a reset of %q the port counts %s, the network %s; want %s, %s", c.reset, p, n, c.ports, c.network)
		}
	}
}
