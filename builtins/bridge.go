package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var bridgeDecl = runtime.Change("bridge", "link",
	"Makes a bridge: an Ethernet switch between the links that are its ports.", &bridgeArgs{Up: true}).Needing("bridge")

type bridgeArgs struct {
	NS    nsArg       `arg:"ns" doc:"namespace that it is in"`
	_     struct{}    `arg:"*"`
	Name  linkNameArg `arg:"name?" doc:"name; the next free one of br0, br1 ... when left out"`
	Ports []linkArg   `arg:"ports?" doc:"links of the namespace that become its ports"`
	Addrs addrsArg    `arg:"addrs?" doc:"addresses of the bridge itself, one or a list"`
	Up    bool        `arg:"up?" doc:"whether to set it up"`
	MTU   mtuArg      `arg:"mtu?" doc:"MTU in bytes; that of its ports when left out"`
	MAC   macArg      `arg:"mac?" doc:"link-layer address; it follows the ports when left out"`
	runtime.Irreversible
}

func (a *bridgeArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	for _, p := range a.Ports {
		if err := sameNamespace(p.LinkRef, p.NS, a.NS.NSRef, string(a.Name)); err != nil {
			return nil, err
		}
	}
	var ref kernel.LinkRef
	err := addNamed(func(taken []string) (err error) {
		if ref, err = newLink(tx, a.NS.NSRef, a.Name, "br", taken); err != nil {
			return err
		}
		return tx.Apply(&addLink{LinkSpec: kernel.LinkSpec{LinkRef: ref, Kind: "bridge", MAC: string(a.MAC),
			MTU: int(a.MTU), Up: a.Up}})
	}, a.Name)
	if err != nil {
		return nil, err
	}
	for _, p := range a.Ports {
		if err := tx.Apply(&setLink{Link: p.LinkRef, Attr: "master", Value: itoa(ref.Index), Master: ref.Name}); err !=
			nil {
			return nil, err
		}
	}
	if err := a.Addrs.add(tx, ref); err != nil {
		return nil, err
	}
	return &linkValue{tx.View, ref}, nil
}
