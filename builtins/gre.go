package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "gre", Args: &greArgs{},
	Module: "ip_gre", Config: "NET_IPGRE",
	Doc: "Makes a gre link: a tunnel for IP packets over IPv4 (RFC 2784). Both ends have the same keys."})

type greArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
	gre4
	greUDP
	greKeys
}

func (a *greArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}

var _ = declareKind(linkKind{Name: "gretap", Args: &gretapArgs{},
	Module: "ip_gre", Config: "NET_IPGRE",
	Doc: "Makes a gretap link: a tunnel for Ethernet frames over IPv4 (RFC 2784)."})

type gretapArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	newLinkArgs
	gre4
	greUDP
	greKeys
}

func (a *gretapArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &a.newLinkArgs)
}

// gre4 is IFLA_GRE_* over IPv4 (linux/if_tunnel.h).
type gre4 struct {
	Local    *family4        `arg:"local?" nla:"6" set:"yes" eg:"192.0.2.1" doc:"IPv4 address that its packets are sent from, and that those to it must have; any when left out"`
	Remote   *family4        `arg:"remote?" nla:"7" set:"yes" eg:"192.0.2.2" doc:"IPv4 address of the other end"`
	Dev      *linkArg        `arg:"dev?" nla:"lower" doc:"link of the same namespace that its packets leave by; what routes say when left out"`
	TTL      *whole[width8]  `arg:"ttl?" nla:"8" set:"yes" doc:"time to live of its packets; 0 is that of what they carry"`
	TOS      *whole[width8]  `arg:"tos?" nla:"9" set:"yes" doc:"type of service of its packets; 1 is that of what they carry"`
	PMTUDisc *toggle         `arg:"pmtudisc?" nla:"10" doc:"whether its packets may not be fragmented, so that it finds the path's MTU; True when left out"`
	FwMark   *whole[width32] `arg:"fwmark?" nla:"20" set:"yes" doc:"mark of its packets, which rules and filters see; 0 is none"`
}

// greUDP is what carries GRE, or says where it goes.
type greUDP struct {
	IgnoreDF   *toggle               `arg:"ignore_df?" nla:"19" ip:"ignore-df" doc:"whether packets are fragmented in spite of their DF bit; it wants pmtudisc=False"`
	Encap      *encapWord            `arg:"encap?" nla:"14" doc:"what its packets are carried in, over UDP: fou (nothing more), gue (with a header); it wants the kernel's fou"`
	EncapSport *whole[widthAnyPort]  `arg:"encap_sport?" nla:"16" ip:"encap-sport" doc:"UDP port that they are sent from; 0 is one for each flow"`
	EncapDport *whole[widthPort]     `arg:"encap_dport?" nla:"17" ip:"encap-dport" doc:"UDP port that they are sent to"`
	EncapCsum  *toggleIn[bitUDPCsum] `arg:"encap_csum?" nla:"15" ip:"encap-csum" doc:"whether they have a UDP checksum"`
	External   present               `arg:"external?" nla:"18" doc:"whether routes and filters say the ends of each packet, instead of local= and remote="`
}
