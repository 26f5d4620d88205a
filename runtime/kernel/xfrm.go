package kernel

import (
	"encoding/binary"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Where struct xfrm_usersa_info and struct xfrm_userpolicy_info have what (linux/xfrm.h). Both begin with a selector.
const (
	xfrmSelector = 56 // its length
	saDst        = 56
	saSPI        = 72
	saProto      = 76
	saSrc        = 80
	saCurrent    = 160 // how much it has been used, and errors
	saReqid      = 208
	saFamily     = 212
	sizeofSA     = 224

	policyCurrent = 120
	policyIndex   = 156
	policyDir     = 160
	policyForward = 2 // the last that is no socket's own
	sizeofPolicy  = 168
)

// xfrmStateTable holds ip-xfrm(8)'s states: how the packets of one direction between two hosts are protected. What is
// secret of their keys is left out of an entry.
var xfrmStateTable = &Table{Name: "xfrm_state", One: "xfrm state", Many: "xfrm states", Protocol: unix.NETLINK_XFRM,
	Get: nl.XFRM_MSG_GETSA, New: nl.XFRM_MSG_NEWSA, Del: nl.XFRM_MSG_DELSA, Header: sizeofSA, Dumps: []rtnl.Raw{nil},
	On: onNamespace, Own: true,
	Split: func(raw []byte) [][]byte {
		if len(raw) < sizeofSA {
			return nil
		}
		return [][]byte{hideKeys(raw)}
	},
	Key: func(raw []byte) string {
		mark := rtnl.Attr(raw, sizeofSA, nl.XFRMA_MARK)
		return string(raw[saDst:saProto+1]) + string(raw[saFamily:saFamily+2]) + string(mark)
	},
	Plain: func(raw []byte) []byte {
		clear(raw[saCurrent:saReqid])
		shown := []int{nl.XFRMA_LASTUSED, nl.XFRMA_REPLAY_VAL}
		if rtnl.Attr(raw, sizeofSA, nl.XFRMA_ALG_AUTH_TRUNC) != nil {
			shown = append(shown, nl.XFRMA_ALG_AUTH) // the same once more
		}
		for _, typ := range shown {
			raw = rtnl.Without(raw, sizeofSA, typ)
		}
		return raw
	},
	Remove: func(raw []byte) []byte {
		id := slices.Concat(raw[saDst:saSPI+4], raw[saFamily:saFamily+2], []byte{raw[saProto], 0})
		return append(id, rest(raw, sizeofSA, nl.XFRMA_MARK)...)
	},
	// The kernel says how much of a digest is sent when nobody has.
	Moves: func(raw []byte) []byte {
		for typ := range algorithms {
			if alg := rtnl.Attr(raw, sizeofSA, typ); alg != nil {
				raw = AppendAttr(rtnl.Without(raw, sizeofSA, typ), typ, alg[:64])
			}
		}
		return raw
	},
	Secret: func(raw []byte) string {
		for typ := range algorithms {
			if len(rtnl.Attr(raw, sizeofSA, typ)) > algorithms[typ] {
				return "the key"
			}
		}
		return ""
	}}

// algorithms are the attributes that have a key, and where it begins in each.
var algorithms = map[int]int{nl.XFRMA_ALG_AUTH: 68, nl.XFRMA_ALG_CRYPT: 68, nl.XFRMA_ALG_AEAD: 72,
	nl.XFRMA_ALG_AUTH_TRUNC: 72}

// hideKeys is a message of a state in which all keys are zeros.
func hideKeys(raw []byte) []byte {
	raw = slices.Clone(raw)
	for at, typ := range rtnl.Attrs(raw, sizeofSA) {
		if from, secret := algorithms[typ]; secret {
			end := at + int(binary.NativeEndian.Uint16(raw[at:]))
			clear(raw[min(at+4+from, end):end])
		}
	}
	return raw
}

// rest are some of a message's attributes.
func rest(raw []byte, header int, types ...int) (attrs []byte) {
	for _, typ := range types {
		if value := rtnl.Attr(raw, header, typ); value != nil {
			attrs = AppendAttr(attrs, typ, value)
		}
	}
	return attrs
}

// xfrmPolicyTable holds ip-xfrm(8)'s policies: which packets must be protected, and how.
var xfrmPolicyTable = &Table{Name: "xfrm_policy", One: "xfrm policy", Many: "xfrm policies",
	Protocol: unix.NETLINK_XFRM, Get: nl.XFRM_MSG_GETPOLICY, New: nl.XFRM_MSG_NEWPOLICY,
	Del: nl.XFRM_MSG_DELPOLICY, Header: sizeofPolicy,
	Dumps: []rtnl.Raw{nil}, On: onNamespace, Own: true,
	Split: func(raw []byte) [][]byte {
		if len(raw) < sizeofPolicy || raw[policyDir] > policyForward { // or a socket's own
			return nil
		}
		return [][]byte{raw}
	},
	Key: func(raw []byte) string {
		return string(raw[:xfrmSelector]) + string(raw[policyDir]) +
			string(rest(raw, sizeofPolicy, nl.XFRMA_MARK, nl.XFRMA_IF_ID))
	},
	Plain: func(raw []byte) []byte {
		clear(raw[policyCurrent:152])
		clear(raw[policyIndex:policyDir])
		return rtnl.Without(raw, sizeofPolicy, nl.XFRMA_POLICY_TYPE)
	},
	Remove: func(raw []byte) []byte {
		id := slices.Concat(raw[:xfrmSelector], make([]byte, 4), []byte{raw[policyDir], 0, 0, 0})
		return append(id, rest(raw, sizeofPolicy, nl.XFRMA_MARK, nl.XFRMA_IF_ID)...)
	}}
