package builtins

import (
	"reflect"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var wireguardKind = declareKind(linkKind{Name: "wireguard", Prefix: "wg", Args: &wireguardArgs{}, Tool: "wg",
	Doc: "Makes a WireGuard link: an encrypted tunnel for IP packets over UDP (wg(8)). " +
		"Its socket stays in socket= wherever the link is moved. The kernel sends no ICMP redirects from a namespace " +
		"that has one, until that is undone. " +
		"One that this run has not made is not made again when its deletion is undone."})

type wireguardArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	macLessArgs
	Socket     *nsArg          `arg:"socket?" nla:"socket" doc:"namespace that its encrypted packets leave from; its own when left out"`
	PrivateKey *wgKeyArg       `arg:"private_key?" nla:"3" set:"yes" secret:"4" ip:"private-key" doc:"private key: wg_key(), or the text that wg genkey prints; a new one when left out. It is never shown"`
	ListenPort *whole[width16] `arg:"listen_port?" nla:"6" set:"yes" ip:"listen-port" doc:"UDP port of its socket; one that is free when left out or 0"`
	FWMark     *whole[width32] `arg:"fwmark?" nla:"7" set:"yes" doc:"mark of its encrypted packets, for rules to look at; 0 is none"`
	PublicKey  wgPublicKey     `info:"public_key" nla:"4"`
}

func (a *wireguardArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	if a.PrivateKey == nil {
		key, err := newWGKey()
		if err != nil {
			return nil, err
		}
		a.PrivateKey = &wgKeyArg{key}
	}
	l := &newLinkArgs{macLessArgs: a.macLessArgs}
	if a.Up {
		if err := noRedirects(tx, a.NS.NSRef); err != nil {
			return nil, err
		}
	}
	ref, err := addOfKind(tx, a.NS.NSRef, a, l)
	if err != nil {
		return nil, err
	}
	for _, op := range wireguardKind.setAll(ref, reflect.ValueOf(a).Elem()) {
		if err := tx.Apply(op); err != nil {
			return nil, err
		}
	}
	return l.finish(tx, ref)
}

// noRedirects sets what the kernel sets for all links of a namespace as soon as a WireGuard link is up (wg_open in
// drivers/net/wireguard/device.c), so that it is undone with the link.
func noRedirects(tx *runtime.Tx, ns kernel.NSRef) error {
	const key = "net.ipv4.conf.all.send_redirects"
	n, err := tx.Machine().Namespace(ns)
	if err != nil {
		return err
	}
	if now, err := n.Sysctl(key); err != nil || now == "0" {
		return err
	}
	return tx.Apply(&setSysctl{NS: ns, Key: key, Value: "0"})
}
