package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "ipip", Args: &ipipArgs{},
	Module: "ipip", Config: "NET_IPIP",
	Doc: "Makes an ipip link: a tunnel for IPv4 packets over IPv4 (RFC 2003)."})

type ipipArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
	iptun4
	Mode *oneOf[ipipModes, width8] `arg:"mode?" nla:"9" doc:"what it carries: ipip (IPv4, when left out), mplsip (MPLS), any (both)"`
}

func (a *ipipArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}

type ipipModes struct{}

func (ipipModes) words() map[string]int {
	return map[string]int{"ipip": 4, "mplsip": 137, "any": 0}
}

var _ = declareKind(linkKind{Name: "sit", Args: &sitArgs{},
	Module: "sit", Config: "IPV6_SIT",
	Doc: "Makes a sit link: a tunnel for IPv6 packets over IPv4 (RFC 4213)."})

type sitArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
	iptun4
	Mode *oneOf[sitModes, width8] `arg:"mode?" nla:"9" doc:"what it carries: ip6ip (IPv6, when left out), ipip (IPv4), mplsip (MPLS), any (all of them)"`
}

func (a *sitArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}

type sitModes struct{}

func (sitModes) words() map[string]int {
	return map[string]int{"ip6ip": 41, "ipip": 4, "mplsip": 137, "any": 0}
}

// iptun4 is IFLA_IPTUN_* over IPv4 (linux/if_tunnel.h).
type iptun4 struct {
	Local      *family4              `arg:"local?" nla:"2" set:"yes" eg:"192.0.2.1" doc:"IPv4 address that its packets are sent from, and that those to it must have; any when left out"`
	Remote     *family4              `arg:"remote?" nla:"3" set:"yes" eg:"192.0.2.2" doc:"IPv4 address of the other end"`
	Dev        *linkArg              `arg:"dev?" nla:"lower" doc:"link of the same namespace that its packets leave by; what routes say when left out"`
	TTL        *whole[width8]        `arg:"ttl?" nla:"4" set:"yes" doc:"time to live of its packets; 0 is that of what they carry"`
	TOS        *whole[width8]        `arg:"tos?" nla:"5" set:"yes" doc:"type of service of its packets; 1 is that of what they carry"`
	PMTUDisc   *toggle               `arg:"pmtudisc?" nla:"10" doc:"whether its packets may not be fragmented, so that it finds the path's MTU; True when left out"`
	FwMark     *whole[width32]       `arg:"fwmark?" nla:"20" set:"yes" doc:"mark of its packets, which rules and filters see; 0 is none"`
	Encap      *encapWord            `arg:"encap?" nla:"15" doc:"what its packets are carried in, over UDP: fou (nothing more), gue (with a header); it wants the kernel's fou"`
	EncapSport *whole[widthAnyPort]  `arg:"encap_sport?" nla:"17" ip:"encap-sport" doc:"UDP port that they are sent from; 0 is one for each flow"`
	EncapDport *whole[widthPort]     `arg:"encap_dport?" nla:"18" ip:"encap-dport" doc:"UDP port that they are sent to"`
	EncapCsum  *toggleIn[bitUDPCsum] `arg:"encap_csum?" nla:"16" ip:"encap-csum" doc:"whether they have a UDP checksum"`
	External   present               `arg:"external?" nla:"19" doc:"whether routes and filters say the ends of each packet, instead of local= and remote="`
}
