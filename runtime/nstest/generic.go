package nstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
	"syscall"
)

// family is the number of a family of generic netlink.
func (c *conn) family(name string) (int, error) {
	// CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME
	ask := binary.NativeEndian.AppendUint16([]byte{3, 1, 0, 0}, uint16(4+len(name)+1))
	ask = append(append(ask, 2, 0), name...)
	ask = append(ask, make([]byte, 4-len(ask)%4)...) // the zero at its end, and what fills it up
	all, err := c.ask(16 /* GENL_ID_CTRL */, 0, ask)
	if err != nil {
		return 0, fmt.Errorf("find family %s: %w", name, err)
	}
	return int(binary.NativeEndian.Uint16(find(all[0], 4, 1))), nil // CTRL_ATTR_FAMILY_ID
}

// mptcps prints the endpoints of MPTCP of the thread's namespace, and its limits.
func mptcps(b io.Writer, ns string) error {
	c, err := dial(syscall.NETLINK_GENERIC)
	if err != nil {
		return err
	}
	defer c.close()
	id, err := c.family("mptcp_pm")
	if errors.Is(err, syscall.ENOENT) {
		return nil
	} else if err != nil {
		return err
	}
	all, err := c.dump(id, []byte{3, 1, 0, 0}) // MPTCP_PM_CMD_GET_ADDR
	if err != nil {
		return fmt.Errorf("dump of mptcp endpoints: %w", err)
	}
	var lines []string
	for _, msg := range all {
		lines = append(lines, fmt.Sprintf("%s mptcp %x\n", ns, msg[4:]))
	}
	limits, err := c.ask(id, 0, []byte{6, 1, 0, 0}) // MPTCP_PM_CMD_GET_LIMITS
	if err != nil {
		return fmt.Errorf("read limits of mptcp: %w", err)
	}
	for _, msg := range limits {
		lines = append(lines, fmt.Sprintf("%s mptcp limits %x\n", ns, msg[4:]))
	}
	sort.Strings(lines)
	for _, l := range lines {
		fmt.Fprint(b, l)
	}
	return nil
}
