package builtins

import (
	"fmt"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "addrlabel", Args: &addrLabelArgs{}, Key: []string{"prefix"},
	Doc: "Labels IPv6 addresses: of several that a namespace can send from, it takes one with the label of the " +
		"destination (RFC 6724, ip-addrlabel(8)).",
	Value:   "A label of IPv6 addresses (ip-addrlabel(8)).",
	NSList:  "addrlabels",
	ListDoc: "labels of IPv6 addresses, also those that each namespace begins with",
	Needs:   []string{"ipv6"}})

type addrLabelArgs struct {
	NS     nsArg          `arg:"ns" doc:"the namespace"`
	Prefix prefixAttr     `arg:"prefix" nla:"1@2" doc:"prefix of the addresses"`
	Label  whole[width32] `arg:"label" nla:"2" doc:"the label, 0 to 4294967294"`
	_      struct{}       `arg:"*"`
	Dev    *devIndex      `arg:"dev?" nla:"@4" doc:"link that the addresses are on; any when left out"`
}

func (a *addrLabelArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if !a.Prefix.IsValid() || a.Prefix.Addr().Is4() {
		return nil, fmt.Errorf("addrlabel: %s is no IPv6 prefix", a.Prefix)
	}
	return addNew(tx, kernel.Entry{NS: a.NS.NSRef}, a, func(msg []byte) []byte {
		msg[0] = unix.AF_INET6
		return msg
	})
}
