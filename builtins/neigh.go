package builtins

import (
	"errors"
	"net"
	"net/netip"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var neighDecl = runtime.Change("neigh", "neigh",
	"Tells a link a neighbour's link-layer address, which it then never asks for (ip-neighbour(8)).", &neighArgs{})

type neighArgs struct {
	Link  linkArg  `arg:"link" doc:"the link"`
	IP    ipArg    `arg:"ip" doc:"the neighbour's address"`
	MAC   *macArg  `arg:"mac?" doc:"its link-layer address"`
	_     struct{} `arg:"*"`
	Proxy bool     `arg:"proxy?" doc:"instead, have the link answer for the address: no mac then"`
}

func (a *neighArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	switch {
	case a.IP.Zone() != "":
		return nil, errors.New("neigh: the address has a link in it, which is given already")
	case a.Proxy == (a.MAC != nil):
		return nil, errors.New("neigh: want mac=, or proxy=True to answer for the address")
	}
	var mac net.HardwareAddr
	if a.MAC != nil {
		var err error
		if mac, err = net.ParseMAC(string(*a.MAC)); err != nil {
			return nil, err
		}
	}
	l := a.Link.LinkRef
	e := kernel.Entry{NS: l.NS, Table: "neigh", Link: &l, Msg: kernel.NeighMessage(l.Index, a.IP.Addr, mac)}
	return &entryValue{tx.View, e}, tx.Apply(&addEntry{e})
}

var neighType = &runtime.Type{Name: "neigh", Doc: "A neighbour of a link that was not learned (ip-neighbour(8)).",
	Attrs: []runtime.Attr{
		entryAttr("ip", "string", "its address", func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
			ip, _ := netip.AddrFromSlice(e.Attr(unix.NDA_DST))
			return starlark.String(ip.String()), nil
		}),
		entryAttr("mac", "string or None", "its link-layer address; None for an address that the link answers for",
			func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
				if mac := e.Attr(unix.NDA_LLADDR); mac != nil {
					return starlark.String(net.HardwareAddr(mac).String()), nil
				}
				return starlark.None, nil
			}),
		entryAttr("link", "link", "the link that it is a neighbour of",
			func(v *runtime.View, e kernel.Entry) (starlark.Value, error) { return &linkValue{v, *e.Link}, nil }),
		entryNS,
	}}

var neighDeleteDecl = runtime.Change("neigh.delete", "None", "Deletes the neighbour.", &entryDeleteArgs{})
