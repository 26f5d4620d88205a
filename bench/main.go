// Command bench builds a chain of N namespaces with nsscript and in other ways, and prints how long each took and how
// they compare. Machines differ and are never quiet: the ways take turns, and what counts is their ratio in one round.
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
	b := bench{}
	flag.IntVar(&b.n, "n", 100, "how many namespaces")
	flag.StringVar(&b.nsscript, "nsscript", "bin/nsscript", "the nsscript to measure")
	flag.StringVar(&b.script, "script", "bench/chain.star", "the script that builds the chain")
	rounds := flag.Int("rounds", 7, "how many rounds")
	kills := flag.Int("kill", 0, "instead, kill a run `N` times and print how long its watcher takes")
	floor := flag.String("floor", "../shared/bench/chain_floor.c", "source of the floor; left out when it is not there")
	flag.Parse()
	var err error
	if *kills > 0 {
		err = b.killed(os.Stdout, held, *kills)
	} else {
		err = b.run(os.Stdout, *rounds, *floor)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A bench knows how to build the same chain in several ways.
type bench struct {
	n        int
	nsscript string
	script   string
	floor    string // the compiled floor, "" without one
}

// A way builds the chain and returns how to take it down again. Only the building is timed.
type way struct {
	name  string
	build func() (down func() error, err error)
}

func (b *bench) ways() []way {
	all := []way{{"nsscript", b.byScript}}
	if b.floor != "" {
		all = append(all, way{"floor", b.byFloor})
	}
	return append(all, way{"ip -batch", b.byBatch}, way{"ip, one process a step", b.byStep})
}

func (b *bench) run(out io.Writer, rounds int, floor string) error {
	if b.n < 2 || rounds < 1 {
		return errors.New("want -n of 2 or more and -rounds of 1 or more")
	}
	if _, err := os.Stat(floor); err == nil {
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
	times := make([][]time.Duration, len(ways))
	for round := range rounds {
		for i := range ways {
			if round%2 == 1 { // there and back, so that none always follows the same other
				i = len(ways) - 1 - i
			}
			took, err := b.once(ways[i])
			if err != nil {
				return fmt.Errorf("%s: %w", ways[i].name, err)
			}
			times[i] = append(times[i], took)
		}
	}
	return b.print(out, ways, times)
}

// once builds the chain in one way and takes it down, on a machine where the last one is gone.
func (b *bench) once(w way) (time.Duration, error) {
	if err := b.quiet(); err != nil {
		return 0, err
	}
	start := time.Now()
	down, err := w.build()
	took := time.Since(start)
	if err != nil {
		return 0, err
	}
	return took, down()
}

// quiet waits until the kernel is done with earlier namespaces: it destroys them later, in the order of their end, and
// nsscript waits for its own to be destroyed.
func (b *bench) quiet() error {
	return command(b.nsscript, "-q", "--rm", "--lab", "bench-quiet", "-c", `netns("bench-quiet")`).do()
}

func (b *bench) byScript() (func() error, error) {
	const lab = "bench-chain"
	err := command(b.nsscript, "-q", "--lab", lab, b.script, strconv.Itoa(b.n)).do()
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

// plan is the chain as arguments of ip, and the namespace that each is for ("" for those of the host).
func (b *bench) plan() (lines [][2]string) {
	add := func(ns, format string, args ...any) {
		lines = append(lines, [2]string{ns, fmt.Sprintf(format, args...)})
	}
	for i := range b.n {
		add("", "netns add c%d", i)
	}
	for i := range b.n - 1 {
		add("", "link add r0 netns c%d type veth peer name l0 netns c%d", i, i+1)
	}
	for i := range b.n {
		ns := fmt.Sprintf("c%d", i)
		add(ns, "link set lo up")
		if i > 0 {
			add(ns, "addr add 10.%d.%d.1/31 dev l0", (i-1)/128, (i-1)%128*2)
			add(ns, "link set l0 up")
		}
		if i < b.n-1 {
			add(ns, "addr add 10.%d.%d.0/31 dev r0", i/128, i%128*2)
			add(ns, "link set r0 up")
		}
	}
	return lines
}

// byBatch gives ip as much at once as it takes: one batch for the host and one for each namespace.
func (b *bench) byBatch() (func() error, error) {
	plan := b.plan()
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
	for _, l := range b.plan() {
		if err := ip(l[0], strings.Fields(l[1])...).do(); err != nil {
			return nil, err
		}
	}
	return b.downByIP, nil
}

func (b *bench) downByIP() error {
	var text strings.Builder
	for i := range b.n {
		fmt.Fprintf(&text, "netns del c%d\n", i)
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

// print writes the table: each way's times, and how many times as long as nsscript it took in the same round.
func (b *bench) print(out io.Writer, ways []way, times [][]time.Duration) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "chain of %d\tmin\tmedian\tmax\ttimes nsscript\t\n", b.n)
	for i, way := range ways {
		var ratios []float64
		for round := range times[i] {
			ratios = append(ratios, times[i][round].Seconds()/times[0][round].Seconds())
		}
		slices.Sort(ratios)
		sorted := slices.Sorted(slices.Values(times[i]))
		fmt.Fprintf(w, "%s\t%.3fs\t%.3fs\t%.3fs\t%.2f (%.2f to %.2f)\t\n", way.name, sorted[0].Seconds(),
			median(sorted).Seconds(), sorted[len(sorted)-1].Seconds(), median(ratios), ratios[0], ratios[len(ratios)-1])
	}
	return w.Flush()
}

func median[T any](sorted []T) T { return sorted[len(sorted)/2] }
