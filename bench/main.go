// Command bench builds a chain of N namespaces, or a tree of N x N hosts, with nsscript and in other ways, and prints
// how long each took and how they compare.
//
// Machines differ and are never quiet: the ways take turns, and what counts is their ratio in one round.
//
// It needs root, iproute2, and for the floor a C compiler and the source of a program that does the least netlink work
// which builds the chain.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	b := bench{shape: chain}
	flag.IntVar(&b.n, "n", 100, "how many namespaces")
	tall := flag.Bool("tree", false, "build a tree of N x N hosts at N bridges instead of a chain")
	flag.StringVar(&b.nsscript, "nsscript", "bin/nsscript", "the nsscript to measure")
	flag.StringVar(&b.dir, "scripts", "bench", "the folder of the scripts")
	rounds := flag.Int("rounds", 7, "how many rounds")
	kills := flag.Int("kill", 0, "instead, kill a run `N` times and print how long its watcher takes")
	floor := flag.String("floor", "../shared/bench/chain_floor.c", "source of the floor; left out when it is not there")
	flag.Parse()
	if *tall {
		b.shape = tree
	}
	var err error
	if *kills > 0 {
		err = b.killed(os.Stdout, *kills)
	} else {
		err = b.run(os.Stdout, *rounds, *floor)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A bench knows how to build the same lab in several ways.
type bench struct {
	shape
	n        int
	nsscript string
	dir      string // of the scripts
	floor    string // the compiled floor of a chain, "" without one
}

// A way builds the lab and returns how to take it down again.
type way struct {
	name  string
	build func() (down func() error, err error)
}

func (b *bench) ways() []way {
	all := []way{{"nsscript", b.byScript}}
	if b.floor != "" {
		all = append(all, way{"floor", b.byFloor})
	}
	all = append(all, way{"ip -batch", b.byBatch})
	if b.script == chain.script { // a tree would take it minutes
		all = append(all, way{"ip, one process a step", b.byStep})
	}
	return all
}

func (b *bench) run(out io.Writer, rounds int, floor string) error {
	if b.n < 2 || rounds < 1 {
		return errors.New("want -n of 2 or more and -rounds of 1 or more")
	}
	if _, err := os.Stat(floor); err == nil && b.script == chain.script {
		dir, err := os.MkdirTemp("", "bench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		b.floor = filepath.Join(dir, "floor")
		if err := command("cc", "-O2", "-w", "-o", b.floor, floor).do(); err != nil {
			return err
		}
	}
	ways := b.ways()
	times, downs := make([][]time.Duration, len(ways)), make([][]time.Duration, len(ways))
	for round := range rounds {
		for i := range ways {
			if round%2 == 1 { // there and back, so that none always follows the same other
				i = len(ways) - 1 - i
			}
			took, down, err := b.once(ways[i])
			if err != nil {
				return fmt.Errorf("%s: %w", ways[i].name, err)
			}
			times[i], downs[i] = append(times[i], took), append(downs[i], down)
		}
	}
	return b.print(out, ways, times, downs)
}

// once builds the lab in one way and takes it down, on a machine where the last one is gone.
func (b *bench) once(w way) (took, downTook time.Duration, err error) {
	if err := b.quiet(); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	down, err := w.build()
	took = time.Since(start)
	if err != nil {
		return 0, 0, err
	}
	start = time.Now()
	err = down()
	return took, time.Since(start), err
}

// quiet waits until the kernel is done with earlier namespaces: it destroys them later, in the order of their end, and
// nsscript waits for its own to be destroyed.
func (b *bench) quiet() error {
	return command(b.nsscript, "-q", "--rm", "--lab", "bench-quiet", "-c", `netns("bench-quiet")`).do()
}

func (b *bench) byScript() (func() error, error) {
	const lab = "bench-lab"
	err := command(b.nsscript, "-q", "--lab", lab, filepath.Join(b.dir, b.script), strconv.Itoa(b.n)).do()
	return command(b.nsscript, "-q", "down", lab).do, err
}

// byFloor ends the clock when the floor says that it is holding what it built.
func (b *bench) byFloor() (func() error, error) {
	cmd := exec.Command(b.floor, strconv.Itoa(b.n), "hold")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil && line != "held\n" {
		err = fmt.Errorf("it said %q", line)
	}
	return func() error {
		_, err := io.WriteString(in, "\n")
		return errors.Join(err, in.Close(), cmd.Wait())
	}, err
}

// byBatch gives ip as much at once as it takes: one batch for the host and one for each namespace.
func (b *bench) byBatch() (func() error, error) {
	plan := b.plan(b.n)
	for len(plan) > 0 {
		ns := plan[0][0]
		end := slices.IndexFunc(plan, func(l [2]string) bool { return l[0] != ns })
		if end < 0 {
			end = len(plan)
		}
		var text strings.Builder
		for _, l := range plan[:end] {
			text.WriteString(l[1] + "\n")
		}
		batch := ip(ns, "-batch", "-")
		batch.Stdin = strings.NewReader(text.String())
		if err := batch.do(); err != nil {
			return nil, err
		}
		plan = plan[end:]
	}
	return b.downByIP, nil
}

func (b *bench) byStep() (func() error, error) {
	for _, l := range b.plan(b.n) {
		if err := ip(l[0], strings.Fields(l[1])...).do(); err != nil {
			return nil, err
		}
	}
	return b.downByIP, nil
}

func (b *bench) downByIP() error {
	var text strings.Builder
	for _, l := range b.plan(b.n) {
		if name, ok := strings.CutPrefix(l[1], "netns add "); ok {
			text.WriteString("netns del " + name + "\n")
		}
	}
	batch := ip("", "-batch", "-")
	batch.Stdin = strings.NewReader(text.String())
	return batch.do()
}

type process struct{ *exec.Cmd }

func command(name string, args ...string) process { return process{exec.Command(name, args...)} }

func ip(ns string, args ...string) process {
	if ns != "" {
		args = append([]string{"-n", ns}, args...)
	}
	return command("ip", args...)
}

// do runs the process; what it said is in the error when it failed.
func (p process) do() error {
	out, err := p.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", p, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// print writes the table: each way's times, how many times as long as nsscript it took in the same round, and how long
// it took to take the lab down.
func (b *bench) print(out io.Writer, ways []way, times, downs [][]time.Duration) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, b.name+"\tmin\tmedian\tmax\ttimes nsscript\tdown\t\n", b.n)
	for i, way := range ways {
		var ratios []float64
		for round := range times[i] {
			ratios = append(ratios, times[i][round].Seconds()/times[0][round].Seconds())
		}
		slices.Sort(ratios)
		sorted := slices.Sorted(slices.Values(times[i]))
		fmt.Fprintf(w, "%s\t%.3fs\t%.3fs\t%.3fs\t%.2f (%.2f to %.2f)\t%.3fs\t\n", way.name, sorted[0].Seconds(),
			median(sorted).Seconds(), sorted[len(sorted)-1].Seconds(), median(ratios), ratios[0], ratios[len(ratios)-1],
			median(slices.Sorted(slices.Values(downs[i]))).Seconds())
	}
	return w.Flush()
}

func median[T any](sorted []T) T { return sorted[len(sorted)/2] }
