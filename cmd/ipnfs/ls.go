package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// netView is what ls tells of a network.
type netView struct {
	Name     string            `json:"name"`
	Policy   string            `json:"policy"`
	Owner    string            `json:"owner"`
	Mode     string            `json:"mode"`
	MTU      int               `json:"mtu"`
	Queue    int               `json:"queue"`
	Overflow string            `json:"overflow"`
	Stats    map[string]uint64 `json:"stats"`
	Dropped  uint64            `json:"dropped"`
}

func lsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls [MOUNTPOINT]",
		Short: "List the networks of a mount",
		Long: `Lists the networks with their policy, ports, frames and drops. Without
MOUNTPOINT it takes the one place where ipnfs is mounted, or /ipn.

Drops count frames lost on full queues and the like, not frames for which
there was nobody (see stats in ipnfs(5)).`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return ipnfsMounts(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := mountArg(args)
			if err != nil {
				return err
			}
			views, err := viewNetworks(dir)
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(views)
			}
			return printNetworks(cmd.OutOrStdout(), dir, views)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// mountArg is the mount point that args name, if they have one.
func mountArg(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	return oneMount()
}

// oneMount is the one place where ipnfs is mounted, or /ipn.
func oneMount() (string, error) {
	switch mounts := ipnfsMounts(); len(mounts) {
	case 0:
		return "/ipn", nil
	case 1:
		return mounts[0], nil
	default:
		return "", failf(exitUsage, "ipnfs is mounted on %s: say which", strings.Join(mounts, ", "))
	}
}

// checkAnswers fails if dir is no mount point of an ipnfs that works.
func checkAnswers(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "features")); err != nil {
		return failf(exitSystem, "%s: no ipnfs answers there%s", dir, listMounts())
	}
	return nil
}

// viewNetworks reads the tree as any program would.
func viewNetworks(dir string) ([]netView, error) {
	if err := checkAnswers(dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, failf(exitSystem, "%w", err)
	}
	views := []netView{}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if v, err := viewNetwork(filepath.Join(dir, e.Name())); err == nil {
			views = append(views, v)
		} else if !os.IsNotExist(err) {
			views = append(views, netView{Name: e.Name(), Policy: "?", Mode: "no access", Stats: map[string]uint64{}})
		}
	}
	sort.Slice(views, func(i, j int) bool { return views[i].Name < views[j].Name })
	return views, nil
}

func viewNetwork(dir string) (netView, error) {
	v := netView{Name: filepath.Base(dir), Stats: map[string]uint64{}}
	var failed error
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && failed == nil {
			failed = err
		}
		return strings.TrimSpace(string(text))
	}
	v.Policy, v.Overflow = read("policy"), read("overflow")
	v.MTU, _ = strconv.Atoi(read("mtu"))
	v.Queue, _ = strconv.Atoi(read("queue"))
	for _, line := range strings.Split(read("stats"), "\n") {
		name, value, _ := strings.Cut(line, " ")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			v.Stats[name] = n
			if strings.HasPrefix(name, "drop_") && name != "drop_nobody" {
				v.Dropped += n
			}
		}
	}
	info, err := os.Stat(filepath.Join(dir, "port"))
	if err != nil {
		return v, err
	}
	v.Mode, v.Owner = info.Mode().String()[1:], ownerOf(info)
	return v, failed
}

func printNetworks(out io.Writer, dir string, views []netView) error {
	if len(views) == 0 {
		fmt.Fprintf(out, "no networks on %s: mkdir %s/NAME makes one\n", dir, dir)
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NETWORK\tPOLICY\tRIGHTS\tOWNER\tPORTS\tFRAMES\tRECEIVED\tQUEUED\tDROPPED")
	for _, v := range views {
		s := v.Stats
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", v.Name, v.Policy, v.Mode, v.Owner,
			s["ports"], short(s["frames"]), short(s["received"]), short(s["queued"]), short(v.Dropped))
	}
	return w.Flush()
}

// short writes a large number with a unit: 12345678 is 12.3M.
func short(n uint64) string {
	if n < 100000 {
		return strconv.FormatUint(n, 10)
	}
	value := float64(n) / 1000
	for _, unit := range []string{"k", "M", "G", "T"} {
		if value < 999.95 { // else it would be written as 1000.0
			return strconv.FormatFloat(value, 'f', 1, 64) + unit
		}
		value /= 1000
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + "P"
}
