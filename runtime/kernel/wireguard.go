package kernel

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// wireguard is the family of generic netlink that has what wg(8) shows.
var wireguard = generic{get: unix.WG_CMD_GET_DEVICE, set: unix.WG_CMD_SET_DEVICE, index: unix.WGDEVICE_A_IFINDEX,
	hides: []int{unix.WGDEVICE_A_IFINDEX, unix.WGDEVICE_A_IFNAME, unix.WGDEVICE_A_PRIVATE_KEY, unix.WGDEVICE_A_FLAGS,
		unix.WGDEVICE_A_PEERS}}

// wgPeerTable holds the peers of WireGuard links. The kernel has them as a part of what it says of a link. An entry
// here is a header with the command and the link's index, and the attributes of one peer: without its secret, of which
// there is an empty attribute.
var wgPeerTable = &Table{Name: "wg_peer", One: "peer", Many: "peers", Header: wgPeerHeader,
	Families: []byte{wireguard.set}, On: onLink, Own: true, At: 4, Link: linkOfPeer,
	Of:    func(l *Link) bool { return kindOf(l.Kind).Generic == &wireguard },
	Reads: readPeers, Send: sendPeer, Clashes: onItsLink(peersClash),
	Zero: map[int][]byte{unix.WGPEER_A_PRESHARED_KEY: make([]byte, 32), unix.WGPEER_A_ALLOWEDIPS: {},
		unix.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL: make([]byte, 2)},
	Key: func(raw []byte) string { return string(peerAttr(raw, unix.WGPEER_A_PUBLIC_KEY)) },
	Plain: func(raw []byte) []byte {
		if len(peerAttr(raw, unix.WGPEER_A_PRESHARED_KEY)) == 0 {
			raw = withoutAll(raw, unix.WGPEER_A_PRESHARED_KEY)
		}
		return withoutAll(raw, unix.WGPEER_A_LAST_HANDSHAKE_TIME, unix.WGPEER_A_RX_BYTES, unix.WGPEER_A_TX_BYTES)
	},
	// The kernel follows a peer that sends from another address.
	Moves: func(raw []byte) []byte {
		return withoutAll(raw, unix.WGPEER_A_ENDPOINT, unix.WGPEER_A_PRESHARED_KEY)
	},
	Secret: func(raw []byte) string {
		if key := peerAttr(raw, unix.WGPEER_A_PRESHARED_KEY); key == nil || len(key) > 0 { // none, or zeros
			return ""
		}
		return "the preshared key"
	}}

const wgPeerHeader = 8

func linkOfPeer(raw []byte) int { return int(binary.NativeEndian.Uint32(raw[4:])) }

func peerAttr(raw []byte, typ int) []byte { return rtnl.Attr(raw, wgPeerHeader, typ) }

func withoutAll(raw []byte, types ...int) []byte {
	for _, typ := range types {
		raw = rtnl.Without(raw, wgPeerHeader, typ)
	}
	return raw
}

// sendPeer makes the request that gives a link a peer, or takes it away.
func sendPeer(n *Namespace, raw []byte, remove bool) error {
	l, err := n.linkByIndex(linkOfPeer(raw))
	if err != nil {
		return err
	}
	flags, peer := uint32(0), raw[wgPeerHeader:]
	if allowed := peerAttr(raw, unix.WGPEER_A_ALLOWEDIPS); allowed != nil {
		flags = unix.WGPEER_F_REPLACE_ALLOWEDIPS
		peer = AppendAttr(rtnl.Without(peer, 0, unix.WGPEER_A_ALLOWEDIPS),
			unix.WGPEER_A_ALLOWEDIPS|unix.NLA_F_NESTED, allowed)
	}
	if remove {
		flags = unix.WGPEER_F_REMOVE_ME
		peer = AppendAttr(nil, unix.WGPEER_A_PUBLIC_KEY, peerAttr(raw, unix.WGPEER_A_PUBLIC_KEY))
	}
	peer = append(slices.Clone(peer), attrMessage(unix.WGPEER_A_FLAGS, flags)...)
	msg := append(genericHead(wireguard.set), attrMessage(unix.WGDEVICE_A_IFINDEX, uint32(l.Index))...)
	peers := AppendAttr(nil, unix.NLA_F_NESTED, peer)
	return n.tellFamily(l.Kind, AppendAttr(msg, unix.WGDEVICE_A_PEERS|unix.NLA_F_NESTED, peers))
}

// readPeers are the peers of a link. Of one with many addresses the kernel says the rest in the next message, under its
// key alone.
func readPeers(n *Namespace, l *Link) (all [][]byte, err error) {
	msgs, err := n.askFamily(l.Kind, &wireguard, l.Index)
	var last map[int][]byte
	var peers []map[int][]byte
	for _, msg := range msgs {
		for nest := range rtnl.Nested(rtnl.Attr(msg, unix.GENL_HDRLEN, unix.WGDEVICE_A_PEERS)) {
			if key := rtnl.Attr(nest, 0, unix.WGPEER_A_PUBLIC_KEY); !bytes.Equal(last[unix.WGPEER_A_PUBLIC_KEY], key) {
				last = map[int][]byte{}
				peers = append(peers, last)
			}
			for _, typ := range rtnl.Attrs(nest, 0) {
				if value := rtnl.Attr(nest, 0, typ); typ == unix.WGPEER_A_ALLOWEDIPS {
					last[typ] = append(last[typ], value...)
				} else {
					last[typ] = value
				}
			}
		}
	}
	for _, p := range peers {
		all = append(all, peerEntry(l.Index, p))
	}
	return all, err
}

// peerEntry is the entry of a peer with some attributes, of which zeros stand for none.
func peerEntry(index int, attrs map[int][]byte) []byte {
	raw := make([]byte, wgPeerHeader)
	raw[0] = wireguard.set
	binary.NativeEndian.PutUint32(raw[4:], uint32(index))
	for _, typ := range slices.Sorted(maps.Keys(attrs)) {
		value := attrs[typ]
		switch {
		case len(bytes.Trim(value, "\x00")) == 0, typ == unix.WGPEER_A_PROTOCOL_VERSION:
			continue
		case typ == unix.WGPEER_A_PRESHARED_KEY:
			value = nil
		case typ == unix.WGPEER_A_ALLOWEDIPS:
			value = AllowedIPs(ReadAllowedIPs(value))
		}
		raw = AppendAttr(raw, typ, value)
	}
	return raw
}

// AllowedIPs is the value of WGPEER_A_ALLOWEDIPS for prefixes that are behind a peer, in order.
func AllowedIPs(all []netip.Prefix) []byte {
	value := []byte{}
	for _, p := range slices.SortedFunc(slices.Values(all), netip.Prefix.Compare) {
		one := AppendAttr(nil, unix.WGALLOWEDIP_A_FAMILY,
			binary.NativeEndian.AppendUint16(nil, uint16(family(p.Addr()))))
		one = AppendAttr(one, unix.WGALLOWEDIP_A_IPADDR, p.Addr().AsSlice())
		one = AppendAttr(one, unix.WGALLOWEDIP_A_CIDR_MASK, []byte{byte(p.Bits())})
		value = AppendAttr(value, unix.NLA_F_NESTED, one)
	}
	return value
}

// ReadAllowedIPs reads one.
func ReadAllowedIPs(value []byte) (all []netip.Prefix) {
	for one := range rtnl.Nested(value) {
		ip, _ := netip.AddrFromSlice(rtnl.Attr(one, 0, unix.WGALLOWEDIP_A_IPADDR))
		if bits := rtnl.Attr(one, 0, unix.WGALLOWEDIP_A_CIDR_MASK); len(bits) == 1 {
			all = append(all, netip.PrefixFrom(ip, int(bits[0])))
		}
	}
	return all
}

// peersClash is an error when addresses that are to be behind a peer are behind another one: the kernel would take them
// from that one, and nobody would give them back.
func peersClash(have [][]byte, raw []byte) error {
	mine := ReadAllowedIPs(peerAttr(raw, unix.WGPEER_A_ALLOWEDIPS))
	for _, other := range have {
		if bytes.Equal(peerAttr(other, unix.WGPEER_A_PUBLIC_KEY), peerAttr(raw, unix.WGPEER_A_PUBLIC_KEY)) {
			continue
		}
		for _, p := range ReadAllowedIPs(peerAttr(other, unix.WGPEER_A_ALLOWEDIPS)) {
			if slices.Contains(mine, p) {
				key := base64.StdEncoding.EncodeToString(peerAttr(other, unix.WGPEER_A_PUBLIC_KEY))
				return fmt.Errorf("%s is behind peer %s: %w", p, key, unix.EEXIST)
			}
		}
	}
	return nil
}
