package nstest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
)

// wireguards prints what generic netlink has of the WireGuard links of the thread's namespace: keys, ports, peers. It
// leaves out what is counted.
func wireguards(b io.Writer, ns string) error {
	c, err := dial(syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.close()
	links, err := c.dump(syscall.RTM_GETLINK, make([]byte, 16))
	if err != nil {
		return err
	}
	for _, msg := range links {
		if kind := find(find(msg, 16, 18), 0, 1); strings.TrimRight(string(kind), "\x00") != "wireguard" {
			continue
		}
		if err := wireguard(b, ns, msg[4:8]); err != nil {
			return fmt.Errorf("dump of wireguard: %w", err)
		}
	}
	return nil
}

// wireguard prints one, whose index is given.
func wireguard(b io.Writer, ns string, index []byte) error {
	c, err := dial(syscall.NETLINK_GENERIC)
	if err != nil {
		return err
	}
	defer c.close()
	id, err := c.family("wireguard")
	if err != nil {
		return err
	}
	// WG_CMD_GET_DEVICE, WGDEVICE_A_IFINDEX
	all, err := c.dump(id, slices.Concat([]byte{0, 1, 0, 0, 8, 0, 1, 0}, index))
	if err != nil {
		return err
	}
	for _, msg := range all {
		for _, a := range attributes(msg, 4) {
			if a.typ != 8 { // WGDEVICE_A_PEERS
				fmt.Fprintf(b, "%s wireguard %d %d=%x\n", ns, number(index), a.typ, a.value)
				continue
			}
			for _, peer := range attributes(a.value, 0) {
				fmt.Fprintf(b, "%s wireguard %d peer", ns, number(index))
				for _, p := range attributes(peer.value, 0) {
					if p.typ < 6 || p.typ > 8 { // its last handshake, what came from it and what was sent to it
						fmt.Fprintf(b, " %d=%x", p.typ, p.value)
					}
				}
				fmt.Fprintln(b)
			}
		}
	}
	return nil
}
