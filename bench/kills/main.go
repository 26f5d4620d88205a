// Command kills builds one lab in several ways, kills each at points spread over its work, and prints as a table what
// every way leaves behind, per 100 kills. It needs root and iproute2; what is not installed is left out and said so.
//
// Every kill has a sandbox of its own, so that the machine is not touched: namespaces for mounts, network and
// processes, with an empty /run and /tmp.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == inside {
		work(os.Args[2])
		return
	}
	points := flag.Int("points", 45, "how often to kill each")
	nsscript := flag.String("nsscript", "bin/nsscript", "the nsscript to kill")
	verbose := flag.Bool("v", false, "say what each kill changed")
	flag.Parse()
	log := io.Discard
	if *verbose {
		log = os.Stderr
	}
	if err := compare(os.Stdout, log, *points, ways(*nsscript)); err != nil {
		fmt.Fprintln(os.Stderr, "kills:", err)
		os.Exit(1)
	}
}

// A way is the lab in one language.
type way struct {
	Name   string
	Needs  string   // the command that it cannot do without
	Argv   []string // which runs the lab: builds it and takes it down again
	Binary string   // what Argv calls program, "" when it is in PATH
	All    bool     // the kill is for all processes, not for those of one process group
	Fixed  string   // its name after the repair
	Repair []string // what its users do after a crash; nil when there is nothing
}

func ways(nsscript string) []way {
	python := "python3"
	if _, err := os.Stat("/usr/bin/python3"); err == nil {
		python = "/usr/bin/python3" // the one that Debian's Mininet is for
	}
	run := []string{program, "--rm", "scenario.star"}
	return []way{
		{Name: "sh and `ip`, with a trap", Needs: "ip", Argv: []string{"sh", "scenario.sh"}},
		{Name: "Mininet", Needs: "mn", Argv: []string{python, "scenario.py"}, Fixed: "Mininet, then `mn -c`",
			Repair: []string{"mn", "-c"}},
		{Name: "nsscript", Argv: run, Binary: nsscript},
		{Name: "nsscript, its watcher killed too", Argv: run, Binary: nsscript, All: true,
			Fixed: "the same, then `nsscript ls`", Repair: []string{program, "ls"}},
	}
}

// A job is one run of a lab in a sandbox, and when it is killed: after a number of commands, when its journal has a
// number of lines, or some time after it has begun. Without any of these it is not.
type job struct {
	Way      way
	Commands int
	Lines    int
	After    time.Duration
}

// A report is what became of a job.
type report struct {
	Err      string
	Killed   bool
	Took     time.Duration // from when it said that it begins
	Commands int
	Lines    int
	Stages   []change // after the kill, and after the repair
}

// compare kills every way at so many points and prints the table, and to log what each kill has changed.
func compare(out, log io.Writer, points int, ways []way) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "| per 100 kills (of %d)\t| left something\t| %s\t| damage\t|\n", points,
		strings.Join(headings, "\t| "))
	fmt.Fprintln(w, strings.Repeat("|---\t", len(kinds)+3)+"|")
	var without []string
	for _, way := range ways {
		if _, err := exec.LookPath(way.Needs); way.Needs != "" && err != nil {
			without = append(without, way.Name)
			continue
		}
		stages, err := kills(log, way, points)
		if err != nil {
			return fmt.Errorf("%s: %w", way.Name, err)
		}
		for i, changes := range stages {
			fmt.Fprintf(w, "| %s\t%s|\n", []string{way.Name, way.Fixed}[i], row(changes))
		}
	}
	for _, name := range without {
		fmt.Fprintf(w, "\n%s is not installed here and left out.\n", name)
	}
	return w.Flush()
}

// row is the line of a table about what kills have changed.
func row(all []change) string {
	some, damage, left := 0, 0, map[string]int{}
	for _, c := range all {
		if len(c.Left) > 0 {
			some++
		}
		damage += len(c.Damage)
		for _, l := range c.Left {
			kind, _, _ := strings.Cut(l, " ")
			left[kind]++
		}
	}
	per100 := func(n int) string { return fmt.Sprintf("| %d\t", (100*n+len(all)/2)/len(all)) }
	line := per100(some)
	for _, kind := range kinds {
		line += per100(left[kind])
	}
	return line + per100(damage)
}

// kills kills a way at points spread over its work and returns, for each of its stages, what each kill has changed.
func kills(log io.Writer, w way, points int) (stages [][]change, err error) {
	// Undisturbed, it says how long it is, and leaves nothing.
	whole, err := sandboxed(job{Way: w})
	if err != nil {
		return nil, err
	}
	if c := whole.Stages[0]; len(c.Left)+len(c.Damage) > 0 {
		return nil, fmt.Errorf("without a kill it has left %q and damaged %q", c.Left, c.Damage)
	}
	stages = make([][]change, len(whole.Stages))
	for k := 1; k <= points; k++ {
		j := job{Way: w}
		switch {
		case whole.Commands > 0:
			j.Commands = (k*whole.Commands + points - 1) / points
		case whole.Lines > 0 && k%2 == 0:
			j.Lines = 1 + k*(whole.Lines-1)/(points+1)
		default:
			j.After = whole.Took * time.Duration(k) / time.Duration(points+1)
		}
		r, err := sandboxed(j)
		for try := 0; err == nil && !r.Killed; try++ {
			if try == 10 {
				return nil, fmt.Errorf("it ended before it was killed: %+v", j)
			}
			j.After, j.Lines = j.After*4/5, max(0, j.Lines-1) // it was faster this time
			r, err = sandboxed(j)
		}
		if err != nil {
			return nil, fmt.Errorf("kill %d of %d: %w", k, points, err)
		}
		for i, c := range r.Stages {
			stages[i] = append(stages[i], c)
			fmt.Fprintf(log, "%s, kill %d, stage %d: left %q, damage %q\n", w.Name, k, i+1, c.Left, c.Damage)
		}
	}
	return stages, nil
}

// sandboxed does a job in a process of its own, in namespaces of its own.
func sandboxed(j job) (r report, err error) {
	text, err := json.Marshal(j)
	if err != nil {
		return r, err
	}
	cmd := exec.Command("/proc/self/exe", inside, string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("sandbox: %w", err)
	}
	if err = json.Unmarshal(out, &r); err == nil && r.Err != "" {
		err = fmt.Errorf("%s", r.Err)
	}
	return r, err
}
