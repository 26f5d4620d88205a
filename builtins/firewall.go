package builtins

import (
	"errors"
	"fmt"
	"net/netip"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

const ownDoc = " The rule counts, and is in the table inet nsscript, which nothing else is in. No program is needed."

var (
	masqueradeDecl = runtime.Change("masquerade", "nft_rule", "Gives packets that leave by a link the address of that "+
		"link, and the answers to them that of who sent them (masquerade in nft(8))."+ownDoc,
		&masqueradeArgs{}).Needing("nftables")
	snatDecl = runtime.Change("snat", "nft_rule", "Gives packets that leave another source address, and the answers "+
		"to them that of who sent them (snat in nft(8))."+ownDoc, &snatArgs{}).Needing("nftables")
	dnatDecl = runtime.Change("dnat", "nft_rule", "Sends packets to an address or a port of it elsewhere, and gives "+
		"the answers the address that was asked (dnat in nft(8)): those that come in, and those of the namespace "+
		"itself."+ownDoc, &dnatArgs{}).Needing("nftables")
	redirectDecl = runtime.Change("redirect", "nft_rule", "Sends packets that come in for a port to another one of "+
		"the namespace itself, whatever address they are for (redirect in nft(8))."+ownDoc,
		&redirectArgs{Proto: "tcp"}).Needing("nftables")
	markDecl = runtime.Change("mark", "nft_rule", "Gives packets a mark, by which rules can choose their route: "+
		"rule(ns, fwmark = 7, table = 100) (meta mark in nft(8))."+ownDoc, &markArgs{At: "mangle"}).Needing("nftables")
	acceptDecl = verdictDecl("accept", "Lets packets through without looking at the rules behind.", &acceptArgs{})
	dropDecl   = verdictDecl("drop", "Drops packets without a word.", &dropArgs{})
	rejectDecl = verdictDecl("reject", "Drops packets, and says so to who sent them.", &rejectArgs{})
)

func verdictDecl(name, doc string, args runtime.Changer) *runtime.Decl {
	return runtime.Change(name, "nft_rule", doc+" Which, all of the parameters say together ("+name+" in nft(8))."+
		ownDoc, args).Needing("nftables")
}

// matchArgs say which packets a rule is about: all that is given must hold.
type matchArgs struct {
	Src   *dstArg       `arg:"src?" doc:"prefix or address that they come from; any when left out"`
	Dst   *dstArg       `arg:"dst?" doc:"prefix or address that they are for; any when left out"`
	Proto protoArg      `arg:"proto?" doc:"protocol: tcp, udp, icmp, icmpv6 or sctp; tcp when only a port is given"`
	Sport *portArg      `arg:"sport?" doc:"port that they come from, 1 to 65535"`
	Dport *portArg      `arg:"dport?" doc:"port that they are for, 1 to 65535"`
	State connStatesArg `arg:"state?" doc:"states that their connection is in, one or a list: new, established, related, invalid, untracked"`
	Mark  *nftMarkArg   `arg:"fwmark?" doc:"mark that they have, 0 to 4294967295"`
}

func (a *matchArgs) terms() (all []kernel.Term) {
	for _, m := range []struct {
		which string
		p     *dstArg
	}{{"saddr", a.Src}, {"daddr", a.Dst}} {
		if m.p != nil && m.p.IsValid() {
			all = append(all, kernel.MatchAddr(m.which, m.p.Prefix))
		}
	}
	proto := string(a.Proto)
	if proto == "" {
		proto = "tcp"
	}
	if a.Sport != nil {
		all = append(all, kernel.MatchPort(proto, "sport", uint16(*a.Sport)))
	}
	if a.Dport != nil {
		all = append(all, kernel.MatchPort(proto, "dport", uint16(*a.Dport)))
	}
	if a.Proto != "" && a.Sport == nil && a.Dport == nil {
		all = append(all, kernel.MatchProto(proto))
	}
	if len(a.State) > 0 {
		all = append(all, kernel.MatchState(a.State))
	}
	if a.Mark != nil {
		all = append(all, kernel.MatchMark(uint32(*a.Mark)))
	}
	return all
}

// linkTerm takes packets by a link, or all of them.
func linkTerm(which string, link devArg) []kernel.Term {
	if link.none() {
		return nil
	}
	return []kernel.Term{kernel.MatchLink(which, link.name)}
}

type masqueradeArgs struct {
	NS  nsArg    `arg:"ns" doc:"namespace that forwards them"`
	Out devArg   `arg:"out?" doc:"link that they leave by, or its name; any when left out"`
	_   struct{} `arg:"*"`
	matchArgs
	runtime.Irreversible
}

func (a *masqueradeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return addRule(tx, a.NS.NSRef, "masquerade", []string{"srcnat"}, linkTerm("oifname", a.Out), a.terms(),
		kernel.Masquerade())
}

type snatArgs struct {
	NS  nsArg    `arg:"ns" doc:"namespace that forwards them"`
	To  endArg   `arg:"to" doc:"address that they get, with a port behind it if they are to get that, too: \"192.0.2.1:5000\""`
	Out devArg   `arg:"out?" doc:"link that they leave by, or its name; any when left out"`
	_   struct{} `arg:"*"`
	matchArgs
	runtime.Irreversible
}

func (a *snatArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if !a.To.Addr().IsValid() {
		return nil, errors.New("snat: to has no address")
	}
	if a.To.Port() != 0 && a.Proto == "" && a.Sport == nil && a.Dport == nil {
		return nil, errors.New("snat: to has a port: proto says of which protocol")
	}
	about := append(linkTerm("oifname", a.Out), kernel.MatchFamily(a.To.Addr()))
	return addRule(tx, a.NS.NSRef, "snat", []string{"srcnat"}, about, a.terms(), kernel.NAT("snat", a.To.AddrPort))
}

type dnatArgs struct {
	NS    nsArg    `arg:"ns" doc:"namespace that they come to"`
	From  endArg   `arg:"from" doc:"address that they are for, a port of it, or a port of all: \"192.0.2.1\", \"192.0.2.1:80\", 80 or \":80\""`
	To    endArg   `arg:"to" doc:"address that they are sent to, with another port behind it if it is one: \"10.0.0.2:8080\""`
	_     struct{} `arg:"*"`
	Proto protoArg `arg:"proto?" doc:"protocol that ports are of: tcp, udp or sctp; tcp when left out"`
	In    devArg   `arg:"iif?" doc:"link that they come in by, or its name: then those of the namespace itself stay"`
	Src   *dstArg  `arg:"src?" doc:"prefix or address that they come from; any when left out"`
	runtime.Irreversible
}

func (a *dnatArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	switch {
	case !a.To.Addr().IsValid():
		return nil, errors.New("dnat: to has no address: redirect() sends to another port")
	case a.From.Addr().IsValid() && a.From.Addr().Is4() != a.To.Addr().Is4():
		return nil, fmt.Errorf("dnat: %s and %s are of two families", a.From, a.To)
	case a.To.Port() != 0 && a.From.Port() == 0:
		return nil, fmt.Errorf("dnat: %s has a port and %s has none", a.To, a.From)
	}
	m, about := matchArgs{Src: a.Src, Proto: a.Proto}, linkTerm("iifname", a.In)
	if a.From.Addr().IsValid() {
		m.Dst = &dstArg{netip.PrefixFrom(a.From.Addr(), a.From.Addr().BitLen())}
	} else {
		about = append(about, kernel.MatchFamily(a.To.Addr()))
	}
	if port := portArg(a.From.Port()); port != 0 {
		m.Dport = &port
	}
	chains := []string{"dstnat", "dstnat_out"}
	if !a.In.none() {
		chains = chains[:1]
	}
	return addRule(tx, a.NS.NSRef, "dnat", chains, about, m.terms(), kernel.NAT("dnat", a.To.AddrPort))
}

type redirectArgs struct {
	NS    nsArg    `arg:"ns" doc:"namespace that they come to"`
	Port  portArg  `arg:"port" doc:"port that they are for, 1 to 65535"`
	To    portArg  `arg:"to" doc:"port that they go to, 1 to 65535"`
	_     struct{} `arg:"*"`
	Proto protoArg `arg:"proto?" doc:"protocol that the ports are of: tcp, udp or sctp"`
	In    devArg   `arg:"iif?" doc:"link that they come in by, or its name; any when left out"`
	Src   *dstArg  `arg:"src?" doc:"prefix or address that they come from; any when left out"`
	Dst   *dstArg  `arg:"dst?" doc:"prefix or address that they are for; any when left out"`
	runtime.Irreversible
}

func (a *redirectArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	m := matchArgs{Src: a.Src, Dst: a.Dst, Proto: a.Proto, Dport: &a.Port}
	return addRule(tx, a.NS.NSRef, "redirect", []string{"dstnat"}, linkTerm("iifname", a.In), m.terms(),
		kernel.Redirect(uint16(a.To)))
}

type markArgs struct {
	NS   nsArg       `arg:"ns" doc:"namespace that they are in"`
	Mark nftMarkArg  `arg:"mark" doc:"the mark, 0 to 4294967295"`
	_    struct{}    `arg:"*"`
	At   markHookArg `arg:"at?" doc:"which: those that come in (\"prerouting\"), or those of the namespace itself (\"output\")"`
	In   devArg      `arg:"iif?" doc:"link that they come in by, or its name; any when left out"`
	matchArgs
	runtime.Irreversible
}

func (a *markArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return addRule(tx, a.NS.NSRef, "mark", []string{string(a.At)}, linkTerm("iifname", a.In), a.terms(),
		kernel.SetMark(uint32(a.Mark)))
}

// verdictArgs are those of a rule that says what becomes of packets.
type verdictArgs struct {
	NS  nsArg    `arg:"ns" doc:"namespace that they are in"`
	_   struct{} `arg:"*"`
	At  hookArg  `arg:"at?" doc:"which: those for the namespace itself (\"input\"), those through it (\"forward\"), its own (\"output\")"`
	In  devArg   `arg:"iif?" doc:"link that they come in by, or its name; any when left out"`
	Out devArg   `arg:"oif?" doc:"link that they leave by, or its name; any when left out"`
	matchArgs
	runtime.Irreversible
}

func (a *verdictArgs) add(tx *runtime.Tx, name string, verdict kernel.Term) (starlark.Value, error) {
	at := a.At
	if at == "" {
		at = "input"
	}
	links := append(linkTerm("iifname", a.In), linkTerm("oifname", a.Out)...)
	return addRule(tx, a.NS.NSRef, name, []string{string(at)}, links, a.terms(), verdict)
}

type (
	acceptArgs struct{ verdictArgs }
	dropArgs   struct{ verdictArgs }
	rejectArgs struct {
		verdictArgs
		With rejectArg `arg:"with?" doc:"what is said: port-unreachable, host-unreachable, no-route, admin-prohibited, or tcp reset, for tcp alone; port-unreachable when left out"`
	}
)

func (a *acceptArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return a.add(tx, "accept", kernel.Verdict("accept"))
}

func (a *dropArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return a.add(tx, "drop", kernel.Verdict("drop"))
}

func (a *rejectArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.With == "tcp reset" && a.Proto == "" && a.Sport == nil && a.Dport == nil {
		a.Proto = "tcp"
	}
	return a.add(tx, "reject", kernel.Reject(string(a.With)))
}
