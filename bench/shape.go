package main

import "fmt"

// A shape is a lab that the ways build.
type shape struct {
	name   string // what N of it is called
	script string
	// plan is the lab as arguments of ip, and the namespace that each is for ("" for those of the host).
	plan func(n int) [][2]string
}

var chain = shape{"chain of %d", "chain.star", func(n int) (lines [][2]string) {
	p := (*plan)(&lines)
	for i := range n {
		p.add("", "netns add c%d", i)
	}
	for i := range n - 1 {
		p.add("", "link add r0 netns c%d type veth peer name l0 netns c%d", i, i+1)
	}
	for i := range n {
		ns := fmt.Sprintf("c%d", i)
		p.add(ns, "link set lo up")
		if i > 0 {
			p.add(ns, "addr add 10.%d.%d.1/31 dev l0", (i-1)/128, (i-1)%128*2)
			p.add(ns, "link set l0 up")
		}
		if i < n-1 {
			p.add(ns, "addr add 10.%d.%d.0/31 dev r0", i/128, i%128*2)
			p.add(ns, "link set r0 up")
		}
	}
	return lines
}}

// tree is n bridges below one, with n hosts at each.
var tree = shape{"tree of %[1]d x %[1]d hosts", "tree.star", func(n int) (lines [][2]string) {
	p := (*plan)(&lines)
	for _, ns := range switches(n) {
		p.add("", "netns add %s", ns)
	}
	for i := range n {
		for j := range n {
			p.add("", "netns add h%d-%d", i, j)
		}
	}
	for i := range n {
		p.add("", "link add top netns s%d type veth peer name d%d netns root", i, i)
		for j := range n {
			p.add("", "link add eth0 netns h%d-%d type veth peer name p%d netns s%d", i, j, j, i)
		}
	}
	for i, ns := range switches(n) {
		p.add(ns, "link set lo up")
		p.add(ns, "link add br0 up type bridge")
		name := "d%d"
		if i > 0 {
			name = "p%d"
			p.add(ns, "link set top up")
			p.add(ns, "link set top master br0")
		}
		for j := range n {
			p.add(ns, "link set "+name+" up", j)
			p.add(ns, "link set "+name+" master br0", j)
		}
	}
	for i := range n {
		for j := range n {
			ns := fmt.Sprintf("h%d-%d", i, j)
			p.add(ns, "link set lo up")
			p.add(ns, "link set eth0 up")
			p.add(ns, "addr add 10.%d.%d.2/8 brd + dev eth0", i, j)
		}
	}
	return lines
}}

// switches are the namespaces of the tree's bridges, the one above first.
func switches(n int) []string {
	all := []string{"root"}
	for i := range n {
		all = append(all, fmt.Sprintf("s%d", i))
	}
	return all
}

type plan [][2]string

func (p *plan) add(ns, format string, args ...any) {
	*p = append(*p, [2]string{ns, fmt.Sprintf(format, args...)})
}
