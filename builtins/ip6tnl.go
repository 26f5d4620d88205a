package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "ip6tnl", Args: &ip6tnlArgs{iptun6: iptun6{HopLimit: 64, EncapLimit: 4}},
	Module: "ip6_tunnel", Config: "IPV6_TUNNEL",
	Doc: "Makes an ip6tnl link: a tunnel for IP packets over IPv6 (RFC 2473)."})

type ip6tnlArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
	iptun6
	Mode *oneOf[ip6tnlModes, width8] `arg:"mode?" nla:"9" doc:"what it carries: ip6ip6 (IPv6), ipip6 (IPv4), any (both, when left out)"`
}

func (a *ip6tnlArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}

type ip6tnlModes struct{}

func (ip6tnlModes) words() map[string]int {
	return map[string]int{"ip6ip6": 41, "ipip6": 4, "any": 0}
}

// iptun6 is IFLA_IPTUN_* over IPv6.
type iptun6 struct {
	Local      *family6              `arg:"local?" nla:"2" set:"yes" eg:"2001:db8::1" doc:"IPv6 address that its packets are sent from, and that those to it must have; any when left out"`
	Remote     *family6              `arg:"remote?" nla:"3" set:"yes" eg:"2001:db8::2" doc:"IPv6 address of the other end"`
	Dev        *linkArg              `arg:"dev?" nla:"lower" doc:"link of the same namespace that its packets leave by; what routes say when left out"`
	HopLimit   whole[width8]         `arg:"hoplimit?" nla:"4" set:"yes" doc:"hop limit of its packets; 0 is the system's"`
	TClass     *whole[widthTClass]   `arg:"tclass?" nla:"7" doc:"traffic class of its packets"`
	FlowLabel  *whole[widthFlow]     `arg:"flowlabel?" nla:"7" doc:"flow label of its packets, 0 to 1048575"`
	EncapLimit whole[width8]         `arg:"encaplimit?" nla:"6" set:"yes" doc:"how many tunnels more its packets may go through (RFC 2473)"`
	FwMark     *whole[width32]       `arg:"fwmark?" nla:"20" set:"yes" doc:"mark of its packets, which rules and filters see; 0 is none"`
	Encap      *encapWord            `arg:"encap?" nla:"15" doc:"what its packets are carried in, over UDP: fou (nothing more), gue (with a header); it wants the kernel's fou"`
	EncapSport *whole[widthAnyPort]  `arg:"encap_sport?" nla:"17" ip:"encap-sport" doc:"UDP port that they are sent from; 0 is one for each flow"`
	EncapDport *whole[widthPort]     `arg:"encap_dport?" nla:"18" ip:"encap-dport" doc:"UDP port that they are sent to"`
	EncapCsum  *toggleIn[bitUDPCsum] `arg:"encap_csum?" nla:"16" ip:"encap-csum" doc:"whether they have a UDP checksum"`
	External   present               `arg:"external?" nla:"19" doc:"whether routes and filters say the ends of each packet, instead of local= and remote="`
}
