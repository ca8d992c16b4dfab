package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ipnfs/bus"
)

// defaults are the options of a mount without any.
func defaults() mountOptions {
	return mountOptions{
		root:       bus.Access{Mode: 0o755, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())},
		limits:     bus.DefaultLimits(),
		allowOther: os.Geteuid() == 0,
	}
}

func TestOptions(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		lists []string
		want  func(o *mountOptions) // nil: refused
	}{
		{nil, func(o *mountOptions) {}},
		{[]string{""}, func(o *mountOptions) {}},
		{[]string{",,"}, func(o *mountOptions) {}},
		{[]string{"mode=1777"}, func(o *mountOptions) { o.root.Mode = 0o1777 }},
		{[]string{"mode=0"}, func(o *mountOptions) { o.root.Mode = 0 }},
		{[]string{"mode=07777"}, func(o *mountOptions) { o.root.Mode = 0o7777 }},
		{[]string{"mode=10000"}, nil},
		{[]string{"mode=0o755"}, nil},
		{[]string{"mode=rwx"}, nil},
		{[]string{"mode=888"}, nil},
		{[]string{"mode=-1"}, nil},
		{[]string{"mode="}, nil},
		{[]string{"mode"}, nil},
		{[]string{"uid=1000,gid=100"}, func(o *mountOptions) { o.root.UID, o.root.GID = 1000, 100 }},
		{[]string{"uid=1000", "gid=100"}, func(o *mountOptions) { o.root.UID, o.root.GID = 1000, 100 }},
		{[]string{"uid=1,uid=2"}, func(o *mountOptions) { o.root.UID = 2 }},
		{[]string{"uid=4294967294"}, func(o *mountOptions) { o.root.UID = 4294967294 }},
		{[]string{"uid=4294967295"}, nil}, // means nobody to the kernel
		{[]string{"uid=4294967296"}, nil},
		{[]string{"uid=-1"}, nil},
		{[]string{"gid=root"}, nil},
		{[]string{"ports_max=1"}, func(o *mountOptions) { o.limits.Ports = 1 }},
		{[]string{"ports_max=16777216"}, func(o *mountOptions) { o.limits.Ports = 1 << 24 }},
		{[]string{"ports_max=16777217"}, nil},
		{[]string{"ports_max=0"}, nil},
		{[]string{"networks_max=10"}, func(o *mountOptions) { o.limits.Networks = 10 }},
		{[]string{"networks_max=0"}, nil},
		{[]string{"networks_max=many"}, nil},
		{[]string{"mem=1M"}, func(o *mountOptions) { o.limits.Memory = 1 << 20 }},
		{[]string{"mem=1024k"}, func(o *mountOptions) { o.limits.Memory = 1 << 20 }},
		{[]string{"mem=1048576"}, func(o *mountOptions) { o.limits.Memory = 1 << 20 }},
		{[]string{"mem=2G"}, func(o *mountOptions) { o.limits.Memory = 2 << 30 }},
		{[]string{"mem=2g"}, func(o *mountOptions) { o.limits.Memory = 2 << 30 }},
		{[]string{"mem=1024G"}, func(o *mountOptions) { o.limits.Memory = 1 << 40 }},
		{[]string{"mem=1025G"}, nil},
		{[]string{"mem=1048575"}, nil},
		{[]string{"mem=0"}, nil},
		{[]string{"mem=M"}, nil},
		{[]string{"mem=-5M"}, nil},
		{[]string{"mem=1T"}, nil},
		{[]string{"mem=1.5G"}, nil},
		{[]string{"mem=99999999999999999999"}, nil},
		{[]string{"mem=549755813887G"}, nil}, // would overflow
		{[]string{"rc=options_test.go"}, func(o *mountOptions) { o.rc = filepath.Join(here, "options_test.go") }},
		{[]string{"rc=/no/such/file"}, nil},
		{[]string{"log=journal"}, func(o *mountOptions) { o.log = "journal" }},
		{[]string{"log=x.log"}, func(o *mountOptions) { o.log = filepath.Join(here, "x.log") }},
		{[]string{"log=/var/log/ipnfs"}, func(o *mountOptions) { o.log = "/var/log/ipnfs" }},
		{[]string{"log="}, nil},
		{[]string{"exec"}, func(o *mountOptions) { o.exec = true }},
		{[]string{"noexec"}, func(o *mountOptions) {}},
		{[]string{"exec,noexec"}, func(o *mountOptions) {}},
		{[]string{"noexec,exec"}, func(o *mountOptions) { o.exec = true }},
		{[]string{"exec=1"}, nil},
		{[]string{"allow_other"}, func(o *mountOptions) { o.allowOther = true }},
		{[]string{"noallow_other"}, func(o *mountOptions) { o.allowOther = false }},
		{[]string{"allow_other,noallow_other"}, func(o *mountOptions) { o.allowOther = false }},
		{[]string{"rw,nosuid,nodev,relatime,_netdev,nofail,defaults,user"}, func(o *mountOptions) {}},
		{[]string{"x-systemd.automount,x-gvfs-show,x-a=b,comment=anything"}, func(o *mountOptions) {}},
		{[]string{"ro"}, nil},
		{[]string{"rw=1"}, nil},
		{[]string{"unknown"}, nil},
		{[]string{"unknown=1"}, nil},
		{[]string{"=1"}, nil},
		{[]string{"mode =0755"}, nil},
		{[]string{"mode=0755,bad"}, nil},
	} {
		what := strings.Join(c.lists, " ")
		o, err := parseOptions(c.lists)
		if c.want == nil {
			var f *failure
			if !errors.As(err, &f) || f.code != exitUsage {
				t.Errorf("-o %s: %v, want a usage error", what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("-o %s: %v", what, err)
			continue
		}
		want := defaults()
		c.want(&want)
		if !reflect.DeepEqual(*o, want) {
			t.Errorf("-o %s:\n%+v, want\n%+v", what, *o, want)
		}
	}
}

// A refusal names the option, and an unknown one the known ones.
func TestOptionRefusals(t *testing.T) {
	for option, words := range map[string][]string{
		"colour=red": {"colour=red", "mode=", "rc=", "networks_max="}, "mem=lots": {"mem=lots", "64M"}, "mode=x": {"mode=x", "octal"},
		"uid": {"uid", "needs a value"}, "exec=1": {"exec", "no value"}, "ro": {"ro", "written"},
	} {
		_, err := parseOptions([]string{option})
		for _, w := range words {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("-o %s: %v does not tell of %q", option, err, w)
			}
		}
	}
}

func FuzzOptions(f *testing.F) {
	for _, s := range []string{"mode=1777,uid=5", "mem=5M,ports_max=7", "log=journal,exec", "x-a,,rw", "mem=549755813887G", "ro", "rc=/", "=", "mode==", "mem=\x0b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		o, err := parseOptions([]string{list})
		if err != nil {
			var f *failure
			if o != nil || !errors.As(err, &f) || f.code != exitUsage || err.Error() == "" {
				t.Errorf("-o %q: %v %v", list, o, err)
			}
			return
		}
		l := o.limits
		if o.root.Mode > 0o7777 || l.Ports < 1 || l.Ports > 1<<24 || l.Networks < 1 || l.Networks > 1<<20 || l.Memory < 1<<20 || l.Memory > 1<<40 {
			t.Errorf("-o %q is accepted: %+v", list, *o)
		}
		if o.rc != "" && !filepath.IsAbs(o.rc) || o.log != "" && o.log != "journal" && !filepath.IsAbs(o.log) {
			t.Errorf("-o %q: a path is not absolute: %+v", list, *o)
		}
		again, err := parseOptions(strings.Split(list, ","))
		if err != nil || !reflect.DeepEqual(o, again) {
			t.Errorf("-o %q given as several: %+v, %v; want %+v", list, again, err, o)
		}
	})
}
