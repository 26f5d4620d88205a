package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// held is the script whose runs are killed.
const held = "held.star"

// moments are when parts of a killed run were gone, counted from its SIGKILL.
type moments struct{ names, journal, links time.Duration }

// killed builds the chain by a script that goes on, kills it again and again, and prints how long it took until all was
// gone, with no help but the run's watcher.
func (b *bench) killed(out io.Writer, times int) error {
	var all []moments
	for range times {
		m, err := b.kill(filepath.Join(b.dir, held))
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "run of %d namespaces, killed %d times\tmedian\tp99\tmax\t\n", b.n, times)
	for _, row := range []struct {
		what string
		of   func(moments) time.Duration
	}{
		{"their names are gone", func(m moments) time.Duration { return m.names }},
		{"the watcher is done", func(m moments) time.Duration { return m.journal }},
		{"the kernel has destroyed their links", func(m moments) time.Duration { return m.links }},
		{"all of that", func(m moments) time.Duration { return max(m.names, m.journal, m.links) }},
	} {
		var took []time.Duration
		for _, m := range all {
			took = append(took, row.of(m))
		}
		slices.Sort(took)
		fmt.Fprintf(w, "%s\t%d ms\t%d ms\t%d ms\t\n", row.what, median(took).Milliseconds(),
			took[(len(took)*99+99)/100-1].Milliseconds(), took[len(took)-1].Milliseconds())
	}
	return w.Flush()
}

// kill does it once.
func (b *bench) kill(script string) (m moments, err error) {
	const lab = "bench-killed"
	if err := b.quiet(); err != nil {
		return m, err
	}
	cmd := exec.Command(b.nsscript, "-q", "--lab", lab, script, strconv.Itoa(b.n))
	var said bytes.Buffer
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return m, err
	}
	if err := cmd.Start(); err != nil {
		return m, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if line != "built\n" {
		return m, fmt.Errorf("the script said %q: %v: %s", line, errors.Join(err, cmd.Wait()), &said)
	}
	// The kernel tells nobody when a namespace that has lost its name is destroyed in the end. A link whose peer is in
	// it is gone then.
	witnesses, err := b.witnesses()
	if err != nil {
		return m, errors.Join(err, cmd.Process.Kill())
	}
	start := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		return m, err
	}
	for m.names == 0 || m.journal == 0 || m.links == 0 {
		now := time.Since(start)
		if now > 10*time.Second {
			return m, fmt.Errorf("not all is gone after %s", now)
		}
		if names, _ := filepath.Glob("/run/netns/c[0-9]*"); m.names == 0 && len(names) == 0 {
			m.names = now
		}
		if _, err := os.Stat("/run/nsscript/" + lab); m.journal == 0 && errors.Is(err, os.ErrNotExist) {
			m.journal = now
		}
		if m.links == 0 && !slices.ContainsFunc(witnesses, there) {
			m.links = now
		}
		time.Sleep(time.Millisecond)
	}
	_ = cmd.Wait() // it was killed
	return m, nil
}

// witnesses joins the host to the first, the middle and the last of the namespaces.
func (b *bench) witnesses() (links []string, err error) {
	for _, i := range []int{0, b.n / 2, b.n - 1} {
		name := fmt.Sprintf("witness%d", i)
		if slices.Contains(links, name) {
			continue
		}
		if err := ip("", "link", "add", name, "type", "veth", "peer", "name", "w", "netns",
			fmt.Sprintf("c%d", i)).do(); err != nil {
			return nil, err
		}
		links = append(links, name)
	}
	return links, nil
}

func there(link string) bool {
	_, err := net.InterfaceByName(link)
	return err == nil
}
