package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkNeighs are the raw messages of a link's permanent neighbours and of those it answers for; the others the kernel learns by itself.
func (n *Namespace) linkNeighs(index int) (mine [][]byte, err error) {
	all, err := n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{})
	for _, raw := range all {
		if at := neighHead(raw); at.index == index && at.state&unix.NUD_PERMANENT != 0 {
			mine = append(mine, raw)
		}
	}
	if err != nil {
		return nil, err
	}
	all, err = n.dump(unix.RTM_GETNEIGH, &netlink.Ndmsg{Flags: netlink.NTF_PROXY})
	for _, raw := range all {
		if neighHead(raw).index == index {
			mine = append(mine, raw)
		}
	}
	return mine, err
}

func (n *Namespace) restoreNeighs(index int, want [][]byte) error {
	if len(want) == 0 {
		return nil
	}
	have, err := n.linkNeighs(index)
	errs := []error{err}
	for _, msg := range want {
		if !slices.ContainsFunc(have, func(h []byte) bool { return sameNeigh(h, msg) }) {
			msg = withoutAttr(msg, unix.SizeofNdMsg, unix.NDA_CACHEINFO)
			errs = append(errs, n.do(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, rawMessage(msg)))
		}
	}
	return errors.Join(errs...)
}

// sameNeigh compares two neighbours' messages but for the times in NDA_CACHEINFO and the number of probes.
func sameNeigh(a, b []byte) bool {
	plain := func(msg []byte) []byte {
		return withoutAttr(withoutAttr(msg, unix.SizeofNdMsg, unix.NDA_CACHEINFO), unix.SizeofNdMsg, unix.NDA_PROBES)
	}
	return bytes.Equal(plain(a), plain(b))
}

// nexthopUser is an error when a nexthop object (ip-nexthop(8)) goes over a link or its peer. The kernel deletes it, and
// the routes and groups that use it, when the link loses its carrier.
func (m *Machine) nexthopUser(n *Namespace, l *Link) error {
	check := func(n *Namespace, l LinkRef) error {
		all, err := n.dump(unix.RTM_GETNEXTHOP, rawMessage(make([]byte, unix.SizeofNhmsg)))
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fail(err, "save link", l.Name, n)
		}
		for _, raw := range all {
			if attrNumber(raw, unix.SizeofNhmsg, unix.NHA_OIF) == l.Index {
				return &Error{Op: "save link", Object: l.Name, NS: n.Name(), Err: fmt.Errorf("nexthop object %d goes over it, which could not be restored", attrNumber(raw, unix.SizeofNhmsg, unix.NHA_ID)),
					Hint: "`ip nexthop` shows it; routes with their gateways in themselves can be restored"}
			}
		}
		return nil
	}
	if err := check(n, l.LinkRef); err != nil || l.Kind != "veth" {
		return err
	}
	peer, err := m.Peer(l)
	if err != nil {
		return nil // in a namespace that this run knows nothing of
	}
	at, err := m.Namespace(peer.NS)
	if err != nil {
		return err
	}
	return check(at, peer)
}
