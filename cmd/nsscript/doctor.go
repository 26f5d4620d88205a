package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/sandbox"
	"github.com/nsscript/nsscript/runtime/vm"
)

// A finding is one thing that the machine can do, or cannot.
type finding struct {
	Name     string   `json:"name"`
	OK       bool     `json:"ok"`
	Needed   []string `json:"needed_by,omitempty"`
	Optional bool     `json:"optional,omitempty"` // most scenarios do without it
	Says     string   `json:"says"`               // what it is, or what is missing
	Remedy   string   `json:"remedy,omitempty"`   // how to get it
}

func doctorCommand() *cobra.Command {
	var asJSON, verbose bool
	cmd := &cobra.Command{Use: "doctor",
		Short: "Say what this machine can do, by doing it, and how to get what it lacks", Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			all, needed := examine()
			if asJSON {
				if err := printJSON(all); err != nil {
					return err
				}
			} else {
				if err := printFindings(os.Stdout, all, verbose); err != nil {
					return err
				}
			}
			if needed {
				return exitError(exitMachine)
			}
			return nil
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false,
		"say of each kind of link, queue and so on what it is, and how to get it")
	return cmd
}

// printFindings prints a line for each; what most scenarios do without has its names alone, unless all is asked for.
func printFindings(to io.Writer, all []finding, verbose bool) error {
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	rest := map[bool][]string{}
	for _, f := range all {
		if f.Optional && !verbose {
			rest[f.OK] = append(rest[f.OK], f.Name)
			continue
		}
		word, says := "ok", f.Says
		if !f.OK {
			word, says = "missing", f.Says+"; "+f.Remedy
		}
		if len(f.Needed) > 0 {
			says += " (for " + strings.Join(f.Needed, ", ") + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", word, f.Name, says)
	}
	err := w.Flush()
	for _, part := range []struct {
		ok   bool
		what string
	}{{true, "This machine also has"}, {false, "It has not, and `nsscript doctor -v` says how to get,"}} {
		if names := rest[part.ok]; len(names) > 0 && err == nil {
			slices.Sort(names)
			_, err = fmt.Fprintf(to, "\n%s %d of the %d things that few scenarios need:\n%s\n", part.what, len(names),
				len(rest[true])+len(rest[false]), wrapped(strings.Join(names, ", "), 80))
		}
	}
	return err
}

// wrapped breaks a text into lines of so many columns, where it can be broken.
func wrapped(text string, columns int) string {
	var b strings.Builder
	at := 0
	for _, word := range strings.Fields(text) {
		switch {
		case at > 0 && at+1+len(word) > columns:
			b.WriteString("\n")
			at = 0
		case at > 0:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}

// examine finds out all there is to say; needed is set when something is missing that most scenarios need.
func examine() (all []finding, needed bool) {
	add := func(name string, err error, says, remedy string) {
		f := finding{Name: name, OK: err == nil, Says: says}
		if err != nil {
			f.Says, f.Remedy = kernel.Cause(err), remedy
		}
		all = append(all, f)
	}
	add("root", root(), "labs on the machine itself",
		"labs are in sandboxes; for one on the machine itself run it as root")
	add("cgroup2", proc.Cgroups(), "what run() leaves running in a kept lab lives until the lab goes down",
		"what run() starts is held together by PID namespaces instead; mount cgroup2 writable to have it")
	inside, err := examineInside()
	add("sandbox", err, "labs and tests without privileges", runtime.Hint(err))
	if root() != nil {
		add("subordinate ids", sandbox.Subordinate(), "daemons in a sandbox can drop their privileges",
			"install newuidmap (uidmap) and give the user a range in /etc/subuid and /etc/subgid (usermod "+
				"--add-subuids)")
	}
	for _, l := range sandbox.Limits() {
		add(l.Name, l.Err, l.Says, l.Remedy)
	}
	says, noMachine := vm.Available()
	add("--kernel", noMachine, "scenarios on other kernels, in a virtual machine: "+says,
		"apt-get install qemu-system-x86, or your distribution's package of qemu-system-x86_64")
	if err != nil {
		needed = true
	}
	for _, f := range inside {
		needed = needed || !f.OK && len(f.Needed) > 0 && !f.Optional
		all = append(all, f)
	}
	return all, needed
}

// neighbours says how much of the neighbour tables is taken, which all namespaces share: pings fail when one is full.
func neighbours(m *kernel.Machine) (all []finding, err error) {
	tables, err := m.Host().NeighbourTables()
	for _, t := range tables {
		f := finding{Name: t.Family + " neighbours", OK: t.Entries <= t.Limit*9/10,
			Says: fmt.Sprintf("%d entries of %d, for all namespaces together", t.Entries, t.Limit)}
		if !f.OK {
			f.Remedy = fmt.Sprintf("sysctl -w net.%s.neigh.default.gc_thresh3=%d", t.Family, 8*t.Limit)
		}
		all = append(all, f)
	}
	return all, err
}

func root() error {
	if os.Geteuid() != 0 {
		return errors.New("you are not root")
	}
	return nil
}

// examineInside probes the features of the vocabulary in a sandbox.
func examineInside() ([]finding, error) {
	var said bytes.Buffer
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	s, err := sandbox.Start(sandbox.Spec{Argv: []string{"/proc/self/exe", "inside", "probe"}, Stderr: w})
	w.Close()
	if err != nil {
		return nil, err
	}
	heard := make(chan error, 1)
	go func() {
		_, err := io.Copy(&said, r)
		heard <- err
	}()
	var all []finding
	err = json.NewDecoder(s.Reports).Decode(&all)
	code, _, e := s.Wait()
	if e := errors.Join(e, <-heard); e != nil {
		return nil, e
	}
	if err != nil || code != 0 {
		return nil, errors.New(strings.TrimSpace(said.String()))
	}
	return all, nil
}

// probeCommand is what doctor runs in a sandbox. It is not for people.
func probeCommand(in *sandbox.Inside) *cobra.Command {
	return &cobra.Command{Use: "probe", Hidden: true, Args: exactly(0), RunE: func(*cobra.Command, []string) error {
		if in == nil {
			return usageError{errors.New("this is for `nsscript doctor` only")}
		}
		voc := vocabulary()
		m, err := kernel.Open()
		if err != nil {
			return err
		}
		defer m.Close()
		m.Helper = helper
		all, err := neighbours(m)
		if err != nil {
			return err
		}
		for _, f := range voc.Features {
			found := finding{Name: f.Name, OK: true, Needed: voc.NeededBy(f.Name), Optional: f.Optional, Says: f.Doc}
			if err := f.Probe(m); err != nil {
				found.OK, found.Says, found.Remedy = false, kernel.Cause(err), f.Remedy
			}
			all = append(all, found)
		}
		return json.NewEncoder(in.Reports).Encode(all)
	}}
}
