package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "vti", Args: &vtiArgs{},
	Module: "ip_vti", Config: "NET_IPVTI",
	Doc: "Makes a vti link: IPsec tunnels over IPv4 as a link (ip-xfrm(8) has the keys and policies)."})

type vtiArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs

	Local  *family4         `arg:"local?" nla:"4" set:"yes" eg:"192.0.2.1" doc:"IPv4 address that its packets are sent from, and that those to it must have; any when left out"`
	Remote *family4         `arg:"remote?" nla:"5" set:"yes" eg:"192.0.2.2" doc:"IPv4 address of the other end"`
	Dev    *linkArg         `arg:"dev?" nla:"lower" doc:"link of the same namespace that its packets leave by; what routes say when left out"`
	FwMark *whole[width32]  `arg:"fwmark?" nla:"6" set:"yes" doc:"mark of its packets, which rules and filters see; 0 is none"`
	IKey   *whole[widthKey] `arg:"ikey?" nla:"2" doc:"mark of the policies of what comes in, 0 to 4294967295"`
	OKey   *whole[widthKey] `arg:"okey?" nla:"3" doc:"mark of the policies of what goes out, 0 to 4294967295"`
}

func (a *vtiArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}

var _ = declareKind(linkKind{Name: "vti6", Args: &vti6Args{},
	Module: "ip6_vti", Config: "IPV6_VTI",
	Doc: "Makes a vti6 link: IPsec tunnels over IPv6 as a link (ip-xfrm(8) has the keys and policies)."})

type vti6Args struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs

	Local  *family6         `arg:"local?" nla:"4" set:"yes" eg:"2001:db8::1" doc:"IPv6 address that its packets are sent from, and that those to it must have; any when left out"`
	Remote *family6         `arg:"remote?" nla:"5" set:"yes" eg:"2001:db8::2" doc:"IPv6 address of the other end"`
	Dev    *linkArg         `arg:"dev?" nla:"lower" doc:"link of the same namespace that its packets leave by; what routes say when left out"`
	FwMark *whole[width32]  `arg:"fwmark?" nla:"6" set:"yes" doc:"mark of its packets, which rules and filters see; 0 is none"`
	IKey   *whole[widthKey] `arg:"ikey?" nla:"2" doc:"mark of the policies of what comes in, 0 to 4294967295"`
	OKey   *whole[widthKey] `arg:"okey?" nla:"3" doc:"mark of the policies of what goes out, 0 to 4294967295"`
}

func (a *vti6Args) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &newLinkArgs{macLessArgs: a.macLessArgs})
}
