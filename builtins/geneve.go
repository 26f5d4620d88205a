package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "geneve", Args: &geneveArgs{DstPort: 6081},
	Doc: "Makes a geneve link: a tunnel for Ethernet frames over UDP, to one other end (RFC 8926)."})

type geneveArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	newLinkArgs
	ID             whole[width24]            `arg:"id" nla:"1" eg:"42" doc:"network identifier, 0 to 16777215"`
	Remote         addrAttr                  `arg:"remote" nla:"2|7" set:"yes" eg:"10.9.0.9" doc:"address of the other end"`
	DstPort        whole[widthPort]          `arg:"dstport?" nla:"5" doc:"UDP port of the other end, and of this one"`
	TTL            *whole[width8]            `arg:"ttl?" nla:"3" set:"yes" clears:"12" doc:"time to live of its packets; 0 is the system's"`
	TOS            *whole[width8]            `arg:"tos?" nla:"4" set:"yes" doc:"type of service of its packets; 1 is that of what they carry"`
	DF             *oneOf[geneveDFs, width8] `arg:"df?" nla:"13" set:"yes" doc:"whether its packets over IPv4 may be fragmented: unset (they may), set (they may not), inherit (as what they carry)"`
	UDPCsum        *toggle                   `arg:"udpcsum?" nla:"8" doc:"whether its packets over IPv4 have a UDP checksum"`
	UDP6ZeroCsumTx *toggle                   `arg:"udp6zerocsumtx?" nla:"9" doc:"whether its packets over IPv6 have no UDP checksum"`
	UDP6ZeroCsumRx *toggle                   `arg:"udp6zerocsumrx?" nla:"10" doc:"whether it takes packets over IPv6 that have no UDP checksum"`
}

// geneveDFs are the numbers of enum ifla_geneve_df (linux/if_link.h).
type geneveDFs struct{}

func (geneveDFs) words() map[string]int { return map[string]int{"unset": 0, "set": 1, "inherit": 2} }

func (a *geneveArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &a.newLinkArgs)
}
