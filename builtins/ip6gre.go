package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "ip6gre", Args: &ip6greArgs{gre6: newGRE6},
	Module: "ip6_gre", Config: "IPV6_GRE",
	Doc: "Makes an ip6gre link: a tunnel for IP packets over IPv6 (RFC 7676)."})

type ip6greArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
	gre6
	greKeys
}

func (a *ip6greArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}

var _ = declareKind(linkKind{Name: "ip6gretap", Args: &ip6gretapArgs{gre6: newGRE6},
	Module: "ip6_gre", Config: "IPV6_GRE",
	Doc: "Makes an ip6gretap link: a tunnel for Ethernet frames over IPv6 (RFC 7676)."})

type ip6gretapArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	newLinkArgs
	gre6
	greKeys
}

func (a *ip6gretapArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &a.newLinkArgs)
}

// gre6 is IFLA_GRE_* over IPv6.
type gre6 struct {
	Local      *family6              `arg:"local?" nla:"6" set:"yes" eg:"2001:db8::1" doc:"IPv6 address that its packets are sent from, and that those to it must have; any when left out"`
	Remote     *family6              `arg:"remote?" nla:"7" set:"yes" eg:"2001:db8::2" doc:"IPv6 address of the other end"`
	Dev        *linkArg              `arg:"dev?" nla:"lower" doc:"link of the same namespace that its packets leave by; what routes say when left out"`
	HopLimit   whole[width8]         `arg:"hoplimit?" nla:"8" set:"yes" doc:"hop limit of its packets; 0 is the system's"`
	TClass     *whole[widthTClass]   `arg:"tclass?" nla:"12" doc:"traffic class of its packets"`
	FlowLabel  *whole[widthFlow]     `arg:"flowlabel?" nla:"12" doc:"flow label of its packets, 0 to 1048575"`
	EncapLimit whole[width8]         `arg:"encaplimit?" nla:"11" set:"yes" doc:"how many tunnels more its packets may go through (RFC 2473)"`
	FwMark     *whole[width32]       `arg:"fwmark?" nla:"20" set:"yes" doc:"mark of its packets, which rules and filters see; 0 is none"`
	Encap      *encapWord            `arg:"encap?" nla:"14" doc:"what its packets are carried in, over UDP: fou (nothing more), gue (with a header); it wants the kernel's fou"`
	EncapSport *whole[widthAnyPort]  `arg:"encap_sport?" nla:"16" ip:"encap-sport" doc:"UDP port that they are sent from; 0 is one for each flow"`
	EncapDport *whole[widthPort]     `arg:"encap_dport?" nla:"17" ip:"encap-dport" doc:"UDP port that they are sent to"`
	EncapCsum  *toggleIn[bitUDPCsum] `arg:"encap_csum?" nla:"15" ip:"encap-csum" doc:"whether they have a UDP checksum"`
	External   present               `arg:"external?" nla:"18" doc:"whether routes and filters say the ends of each packet, instead of local= and remote="`
}

// newGRE6 is what ip-link(8) gives it.
var newGRE6 = gre6{HopLimit: 64, EncapLimit: 4}
