package kernel

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// What a chain and a flowtable say of the links that they are on.
const (
	chainHook     = 4 // NFTA_CHAIN_HOOK
	flowtableHook = 3 // NFTA_FLOWTABLE_HOOK
	hookDev       = 3 // NFTA_HOOK_DEV, and NFTA_FLOWTABLE_HOOK_DEVS
	hookDevs      = 4 // NFTA_HOOK_DEVS
)

// givenChains are the chains and flowtables of nftables that are on a link: they go with it.
func givenChains(at *subject) (found []string, err error) {
	r, err := at.n.Ruleset()
	if err != nil {
		return nil, err
	}
	for _, p := range r.Parts {
		var names [][]byte
		switch p.command() {
		case unix.NFT_MSG_NEWCHAIN:
			hook := p.attr(chainHook)
			names = append(slices.Collect(rtnl.Nested(rtnl.Attr(hook, 0, hookDevs))), rtnl.Attr(hook, 0, hookDev))
		case unix.NFT_MSG_NEWFLOWTABLE:
			names = slices.Collect(rtnl.Nested(rtnl.Attr(p.attr(flowtableHook), 0, hookDev)))
		}
		if slices.ContainsFunc(names, func(name []byte) bool { return unix.ByteSliceToString(name) == at.l.Name }) {
			found = append(found, p.String())
		}
	}
	if found != nil && at.n.keepsChains() {
		return nil, nil
	}
	return found, nil
}

// keepsChains reports whether the kernel takes a chain on a link that there is not, and so keeps those of links that go
// until these are back (Linux 6.16).
func (n *Namespace) keepsChains() bool {
	family := []byte{unix.NFPROTO_NETDEV, 0, 0, 0}
	name := []byte("nsscript\x00")
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	hook := AppendAttr(AppendAttr(nil, 1, number(0)), 2, number(0)) // NFTA_HOOK_HOOKNUM: ingress, NFTA_HOOK_PRIORITY
	hook = AppendAttr(hook, hookDev, []byte("no/such/link\x00"))    // which nobody can make
	chain := AppendAttr(AppendAttr(family, nfTable, name), nfChain, name)
	chain = AppendAttr(AppendAttr(chain, chainHook|unix.NLA_F_NESTED, hook), 7, []byte("filter\x00")) // NFTA_CHAIN_TYPE
	probe := &Ruleset{Parts: []Nfmsg{slices.Concat([]byte{unix.NFT_MSG_NEWTABLE}, AppendAttr(family, nfTable, name)),
		slices.Concat([]byte{unix.NFT_MSG_NEWCHAIN}, chain)}}
	now, err := n.Ruleset()
	if err == nil {
		_, err = n.putRuleset(probe, &Ruleset{Gen: now.Gen}, look)
	}
	return err == nil
}
