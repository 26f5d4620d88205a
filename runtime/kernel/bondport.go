package kernel

import (
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// awaitMonitor waits until a bond has noticed whether its port has a carrier, which it looks for from time to time. A
// bond that is down or does not look, or asks by ARP instead, is not waited for.
func (n *Namespace) awaitMonitor(at neighbour, port []byte) ([]byte, error) {
	if noticed(port) {
		return port, nil
	}
	bond, err := n.linkAt(neighbour{at.nsid, rtnl.Uint32(port, unix.SizeofIfInfomsg, unix.IFLA_MASTER)})
	if err != nil {
		return port, unlessGone(err)
	}
	info, patience := infoOf(bond), carrierPatience
	if rtnl.Uint32(info, 0, nl.IFLA_BOND_MIIMON) == 0 || nl.DeserializeIfInfomsg(bond).Flags&unix.IFF_UP == 0 {
		return port, nil
	}
	for _, typ := range []int{nl.IFLA_BOND_MIIMON, nl.IFLA_BOND_UPDELAY, nl.IFLA_BOND_DOWNDELAY} {
		patience += time.Duration(rtnl.Uint32(info, 0, typ)) * time.Millisecond
	}
	for deadline := time.Now().Add(patience); err == nil && !noticed(port) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // as await does: the event goes only to sockets that were there before
		port, err = n.linkAt(at)
	}
	return port, err
}

// noticed reports whether a bond believes of its port what that says itself.
func noticed(port []byte) bool {
	status := rtnl.Attr(portInfoOf(port), 0, nl.IFLA_BOND_SLAVE_MII_STATUS)
	carrier := rtnl.Attr(port, unix.SizeofIfInfomsg, unix.IFLA_CARRIER)
	const up = 0 // BOND_LINK_UP (linux/if_bonding.h)
	return len(status) != 1 || len(carrier) != 1 || (status[0] == up) == (carrier[0] != 0)
}
