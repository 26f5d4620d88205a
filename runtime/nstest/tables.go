package nstest

import (
	"os/exec"
	"sort"
	"strings"
	"testing"
)

// DumpTables is Dump, and the tables that iproute2 has words for.
func DumpTables(t testing.TB) string {
	t.Helper()
	b := strings.Builder{}
	b.WriteString(Dump(t))
	for _, ns := range append([]string{""}, names("/run/netns")...) {
		show(&b, ns, "ip", "nexthop")
		show(&b, ns, "ip", "-6", "addrlabel")
		show(&b, ns, "ip", "mptcp", "endpoint")
		show(&b, ns, "bridge", "fdb")
		show(&b, ns, "bridge", "mdb")
		show(&b, ns, "tc", "-d", "qdisc")
		for _, l := range linkNames(ns) {
			showOf(&b, ns, l, "tc", "-d", "class", "show", "dev", l)
			showOf(&b, ns, l, "tc", "-d", "filter", "show", "dev", l)
		}
	}
	return b.String()
}

// linkNames are those of a namespace's links; none where a name leads to no namespace.
func linkNames(ns string) (all []string) {
	args := []string{"-br", "link"}
	if ns != "" {
		args = append([]string{"-n", ns}, args...)
	}
	out, err := exec.Command("ip", args...).Output()
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.Fields(line)[0], "@")
		all = append(all, name)
	}
	return all
}

func show(b *strings.Builder, ns, program string, args ...string) {
	showOf(b, ns, "", program, args...)
}

// showOf shows what is said of a link, whose name the lines themselves do not have.
func showOf(b *strings.Builder, ns, link, program string, args ...string) {
	if ns != "" {
		args = append([]string{"-n", ns}, args...)
	}
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		out = append(out, err.Error()...)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if strings.Contains(strings.Join(args, " "), "-6 route") {
		sort.Strings(lines) // the kernel's multicast routes of several links stand in the order of their last going up
	}
	for i, line := range lines {
		if link != "" && line != "" {
			lines[i] = "dev " + link + ": " + line
		}
	}
	section(b, program+" "+strings.Join(args, " "), lines)
}
