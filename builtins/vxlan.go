package builtins

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "vxlan", Args: &vxlanArgs{DstPort: 4789},
	Doc: "Makes a vxlan link: a tunnel for Ethernet frames over UDP (RFC 7348). " +
		"With dev= in another namespace its packets leave from there."})

type vxlanArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	newLinkArgs
	ID         *whole[width24]                `arg:"id?" nla:"1" eg:"42" doc:"network identifier, 0 to 16777215; it must be given unless external="`
	External   *toggle                        `arg:"external?" nla:"25" doc:"whether routes, filters and vlans say the ends and the identifier of each frame, instead of id= and remote="`
	VNIFilter  *toggle                        `arg:"vnifilter?" nla:"30" doc:"whether it takes only the network identifiers that bridge_vni() gives it, with external="`
	Dev        *linkArg                       `arg:"dev?" nla:"lower" doc:"link that its packets leave by; it must be given for a multicast group"`
	Local      *addrAttr                      `arg:"local?" nla:"4|17" doc:"address that its packets are sent from"`
	Remote     *addrAttr                      `arg:"remote?" also:"group" nla:"2|16" set:"yes" doc:"address of the other end, or a multicast group: where frames go whose end is not known"`
	DstPort    whole[widthPort]               `arg:"dstport?" nla:"15" doc:"UDP port of the other ends, and of this one"`
	TTL        *whole[width8]                 `arg:"ttl?" nla:"5" set:"yes" doc:"time to live of its packets; 0 is the system's"`
	TOS        *whole[width8]                 `arg:"tos?" nla:"6" set:"yes" doc:"type of service of its packets; 1 is that of what they carry"`
	Learning   *toggle                        `arg:"learning?" nla:"7" set:"yes" doc:"whether it learns which address is behind which end; link.set takes it while it is no port of a bridge, which has one of its own"`
	Ageing     *lasting[inSeconds, widthSome] `arg:"ageing?" nla:"8" set:"yes" doc:"how long what it learned is kept, in whole seconds; \"5m\" when left out"`
	MaxAddress *whole[width32]                `arg:"maxaddress?" nla:"9" doc:"how many addresses it can know; 0 is any number"`
	Proxy      *toggle                        `arg:"proxy?" nla:"11" doc:"whether it answers ARP and neighbour solicitation for those that it knows"`
	L2Miss     *toggle                        `arg:"l2miss?" nla:"13" doc:"whether the kernel tells of addresses that it does not know the end of"`
	L3Miss     *toggle                        `arg:"l3miss?" nla:"14" doc:"whether the kernel tells of neighbours that it does not know"`
	UDPCsum    *toggle                        `arg:"udpcsum?" nla:"18" doc:"whether its packets over IPv4 have a UDP checksum"`
}

func (a *vxlanArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.ID == nil && (a.External == nil || !bool(*a.External)) {
		return nil, errors.New("vxlan: want id=, or external=True")
	}
	if a.VNIFilter != nil && bool(*a.VNIFilter) && (a.External == nil || !bool(*a.External)) {
		return nil, errors.New("vxlan: vnifilter= is of one with external=True")
	}
	return makeLink(tx, a.NS.NSRef, a, &a.newLinkArgs)
}
