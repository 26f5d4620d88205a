package builtins

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

var pingAllDecl = runtime.Query("ping_all", "reachability",
	"Sends an ICMP echo request from each of some namespaces to each other one, many at once, and fails when a reply "+
		"is missing. One that is lost is sent again once. Neighbours that are learned meanwhile are forgotten when "+
		"the machine's table of them is half full.",
	&pingAllArgs{Timeout: waitArg(time.Second), Size: 56, Check: true}).Needing("icmp")

type pingAllArgs struct {
	NSS     []nsArg   `arg:"nss?" doc:"the namespaces, or their names; all that the lab has when left out"`
	_       struct{}  `arg:"*"`
	Family  familyArg `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out, IPv4 before IPv6"`
	Timeout waitArg   `arg:"timeout?" doc:"how long to wait for each reply"`
	Size    pingSize  `arg:"size?" doc:"payload in bytes, 0 to 65507"`
	Check   bool      `arg:"check?" doc:"fail when a reply is missing; False returns the result instead"`
}

// A reachPair is a namespace, another one by its number, and what became of the request.
type reachPair struct {
	from, to int
	dst      netip.Addr // invalid when it has none that can be reached
	err      error      // why no request was sent
	probe.Outcome
}

func (a *pingAllArgs) Query(v *runtime.View) (starlark.Value, error) {
	res := &reachability{v: v}
	for _, n := range a.NSS {
		res.hosts = append(res.hosts, n.NSRef)
	}
	if a.NSS == nil {
		res.hosts = v.Namespaces()
	}
	if len(res.hosts) < 2 {
		return nil, fmt.Errorf("ping_all: want two namespaces at least, got %d", len(res.hosts))
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	m := probe.Mesh{Timeout: time.Duration(a.Timeout), Size: int(a.Size), Aside: v.Aside}
	var spaces []*kernel.Namespace
	for _, ref := range res.hosts {
		n, err := v.Machine().Namespace(ref)
		if err != nil {
			return nil, err
		}
		spaces = append(spaces, n)
		m.Hosts = append(m.Hosts, n.Do)
	}
	var err error
	if res.pairs, err = a.choose(v, res.hosts, spaces); err != nil {
		return nil, err
	}
	var asked []int
	for i, p := range res.pairs {
		if p.err == nil {
			asked = append(asked, i)
			m.Pairs = append(m.Pairs, probe.Pair{From: p.from, Dst: p.dst})
		}
	}
	learned, err := kernel.LearnNeighbours(spaces)
	if err != nil {
		return nil, err
	}
	defer learned.Close()
	m.Table = learned
	all, err := m.Run(v.Context())
	if err != nil {
		return nil, &kernel.Error{Op: "ping", Object: fmt.Sprintf("all of %d namespaces", len(res.hosts)), Err: err}
	}
	for i, o := range all {
		res.pairs[asked[i]].Outcome = o
	}
	if lost := res.lost(); a.Check && len(lost) > 0 {
		first := res.pairs[lost[0]]
		hint := ""
		if from := spaces[first.from]; first.Failed != nil {
			hint = probeHint(from, first.dst, []probe.Failure{*first.Failed})
		}
		return nil, &kernel.Error{Op: "ping", Object: fmt.Sprintf("all of %d namespaces", len(res.hosts)),
			Err: res.missing(lost), Hint: hint}
	}
	return res, nil
}

// tile is how many namespaces are asked by as many others before the next ones are: those that know each other then are
// few, and both directions of a pair go by what one of them has learned.
const tile = 16

// choose finds the address that each is asked at by each other one.
func (a *pingAllArgs) choose(v *runtime.View, hosts []kernel.NSRef, spaces []*kernel.Namespace) ([]reachPair, error) {
	addrs := make([][]kernel.Addr, len(hosts))
	for i := range hosts {
		var err error
		if addrs[i], err = (&endpointArg{ns: &hosts[i]}).addrs(v, true); err != nil {
			return nil, err
		}
	}
	pairs := make([]reachPair, 0, len(hosts)*(len(hosts)-1))
	add := func(from, to int) {
		p := reachPair{from: from, to: to}
		p.dst, p.err = a.address(spaces[from], &endpointArg{ns: &hosts[from]}, &endpointArg{ns: &hosts[to]},
			addrs[from], addrs[to])
		pairs = append(pairs, p)
	}
	for rows := 0; rows < len(hosts); rows += tile {
		for cols := rows; cols < len(hosts); cols += tile {
			for i := rows; i < min(rows+tile, len(hosts)); i++ {
				for j := max(cols, i+1); j < min(cols+tile, len(hosts)); j++ {
					add(i, j)
					add(j, i)
				}
			}
		}
	}
	return pairs, nil
}

// address is the best one of a namespace for another: one of a subnet that both are in, or else the first that there is
// a route to.
func (a *pingAllArgs) address(
	n *kernel.Namespace, from, to *endpointArg, own, addrs []kernel.Addr,
) (dst netip.Addr, err error) {
	all := ways(own, addrs, int(a.Family), false)
	for _, w := range all {
		if w.shared {
			return w.to, nil
		}
		if local, err := n.Lookup(w.to, netip.Addr{}, 0); err == nil && !local {
			return w.to, nil
		}
	}
	if len(all) > 0 {
		return all[0].to, nil // the kernel says why
	}
	return dst, to.apart("ping", int(a.Family), slices.Clone(addrs), from, slices.Clone(own))
}
