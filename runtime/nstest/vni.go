package nstest

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// vnis prints the network identifiers that vxlans with a filter take, in the thread's namespace.
func vnis(b io.Writer, ns string) error {
	c, err := dial(syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.close()
	all, err := c.dump(122 /* RTM_GETTUNNEL */, []byte{afBridge, 0, 0, 0, 0, 0, 0, 0})
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return nil // there is no vxlan
	}
	for _, msg := range all {
		fmt.Fprintf(b, "%s vni %x\n", ns, msg)
	}
	return err
}
