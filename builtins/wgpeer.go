package builtins

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "wg_peer", Args: &wgPeerArgs{}, Shell: wgCommand,
	Doc: "Gives a WireGuard link a peer: it takes packets that the peer's key has signed, and sends it what is for " +
		"the addresses behind it (wg(8)).",
	Value: "A peer of a WireGuard link (wg(8)).", Needs: []string{"wireguard"}, Set: &wgPeerSetArgs{},
	LinkList: "wg_peers", ListDoc: "the peers of a WireGuard link; of others none",
	Has: []runtime.Attr{
		entryAttr("preshared", "bool", "whether it has a preshared key",
			func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
				return starlark.Bool(e.Attr(unix.WGPEER_A_PRESHARED_KEY) != nil), nil
			}),
		entryAttr("latest_handshake", "float or None", "when the last handshake was, in seconds since 1970",
			func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
				at := e.Attr(unix.WGPEER_A_LAST_HANDSHAKE_TIME)
				if len(at) < 16 {
					return starlark.None, nil
				}
				return seconds(time.Duration(binary.NativeEndian.Uint64(at))*time.Second +
					time.Duration(binary.NativeEndian.Uint64(at[8:]))), nil
			}),
		wgCounter("rx_bytes", "bytes that came from it, encrypted", unix.WGPEER_A_RX_BYTES),
		wgCounter("tx_bytes", "bytes that were sent to it, encrypted", unix.WGPEER_A_TX_BYTES),
	}})

func wgCounter(name, doc string, typ int) runtime.Attr {
	return entryAttr(name, "int", doc, func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
		if n := e.Attr(typ); len(n) == 8 {
			return starlark.MakeUint64(binary.NativeEndian.Uint64(n)), nil
		}
		return starlark.MakeInt(0), nil
	})
}

type wgPeerArgs struct {
	Link      linkArg     `arg:"link" dev:"0" doc:"the link"`
	PublicKey wgPublicArg `arg:"public_key" nla:"1" ip:"-" doc:"the peer's public key, or its own link"`
	_         struct{}    `arg:"*"`
	wgPeerWords
}

// wgPeerWords are what a peer is given, and can be given later.
type wgPeerWords struct {
	Preshared *wgKeyArg                    `arg:"preshared_key?" nla:"2" secret:"2" ip:"preshared-key" doc:"secret that both have beside their keys: wg_key(), or the text that wg genpsk prints. It is never shown"`
	Endpoint  *wgEndpointArg               `arg:"endpoint?" nla:"4" doc:"where it is: \"ADDRESS:PORT\", or the address alone when public_key= is its link, whose port it is then; where its first packet comes from when left out"`
	Keepalive *lasting[inSeconds, width16] `arg:"persistent_keepalive?" nla:"5" ip:"persistent-keepalive" doc:"time after which a packet is sent for no other reason, in whole seconds: \"25s\", \"0s\" for never"`
	Allowed   *wgAllowedArg                `arg:"allowed_ips?" nla:"9" ip:"allowed-ips" zero:"yes" doc:"addresses behind it, one or a list: \"10.0.0.2\", \"10.1.0.0/16\", \"0.0.0.0/0\""`
}

func (a *wgPeerArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	own, _, err := wgIdentity(tx.Machine(), a.Link.LinkRef)
	port := 0
	if err == nil && a.PublicKey.link != nil {
		a.PublicKey.key, port, err = wgIdentity(tx.Machine(), *a.PublicKey.link)
	}
	switch {
	case err != nil:
		return nil, err
	case a.PublicKey.key == own:
		return nil, fmt.Errorf("wg_peer: the peer has the key of link %s itself", a.Link.Name)
	}
	if err := a.resolve(tx, port); err != nil {
		return nil, err
	}
	// The kernel shows neither when it is none.
	if a.Allowed != nil && len(*a.Allowed) == 0 {
		a.Allowed = nil
	}
	if a.Keepalive != nil && a.Keepalive.ticks() == 0 {
		a.Keepalive = nil
	}
	l := a.Link.LinkRef
	return addNew(tx, kernel.Entry{NS: l.NS, Link: &l}, a, func(msg []byte) []byte { return msg })
}

// resolve finds where the peer is.
func (a *wgPeerWords) resolve(tx *runtime.Tx, port int) error {
	if a.Endpoint == nil {
		return nil
	}
	if err := a.Endpoint.resolve(tx.View, port); err != nil {
		return fmt.Errorf("wg_peer: endpoint= %w", err)
	}
	return nil
}

type wgPeerSetArgs struct {
	Peer *entryValue `arg:"self" doc:"the peer"`
	_    struct{}    `arg:"*"`
	wgPeerWords
	runtime.Irreversible
}

// Change keeps the port of an endpoint that is given as an address alone.
func (a *wgPeerSetArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	e := a.Peer.entry
	port := 0
	if a.Endpoint != nil {
		now, err := tx.Machine().FindEntry(e)
		if err != nil {
			return nil, err
		}
		var was wgEndpointArg
		if now != nil {
			was.decode(now.Attr(unix.WGPEER_A_ENDPOINT))
		}
		port = int(was.Port())
	}
	if err := a.resolve(tx, port); err != nil {
		return nil, err
	}
	return nil, setTo(tx, e, a)
}

// wgIdentity is the public key of a WireGuard link, and its port.
func wgIdentity(m *kernel.Machine, ref kernel.LinkRef) (key [32]byte, port int, err error) {
	l, err := m.Read(ref)
	if err != nil {
		return key, 0, err
	}
	if l.Kind != wireguardKind.Name {
		return key, 0, fmt.Errorf("link %s is a %s link: want one of WireGuard", l.Name, l.Kind)
	}
	if copy(key[:], kernel.InfoAttr(l.Info, unix.WGDEVICE_A_PUBLIC_KEY)) == 0 {
		return key, 0, fmt.Errorf("link %s has no key: set(private_key = wg_key()) gives it one", l.Name)
	}
	return key, decodeNumber[width16](kernel.InfoAttr(l.Info, unix.WGDEVICE_A_LISTEN_PORT)), nil
}

// wgCommand is the command line that changes a peer.
func wgCommand(verb string, e kernel.Entry) string {
	peer := e.Words()
	if allowed := e.Attr(unix.WGPEER_A_ALLOWEDIPS); verb == "del" {
		key, _, _ := strings.Cut(peer, " ")
		peer = key + " remove"
	} else if allowed != nil && len(allowed) == 0 {
		peer += ` allowed-ips ""`
	}
	return execIn(e.NS, "wg set "+e.Link.Name+" peer "+peer)
}
