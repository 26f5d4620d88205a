package nstest

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"syscall"
)

// xfrms prints the states and policies of IPsec in the thread's namespace, without what is counted and numbered.
func xfrms(b io.Writer, ns string) error {
	c, err := dial(netlinkXfrm)
	if errors.Is(err, syscall.EPROTONOSUPPORT) {
		return nil
	} else if err != nil {
		return err
	}
	defer c.close()
	for _, tab := range []struct {
		name         string
		kind, header int
		masked       [][2]int
	}{
		{"state", 0x12, 224, [][2]int{{160, 208}}},              // XFRM_MSG_GETSA: curlft, stats, seq
		{"policy", 0x15, 168, [][2]int{{120, 152}, {156, 160}}}, // XFRM_MSG_GETPOLICY: curlft, index
	} {
		all, err := c.dump(tab.kind, nil)
		if err != nil {
			return fmt.Errorf("dump of xfrm: %w", err)
		}
		var lines []string
		for _, msg := range all {
			if len(msg) < tab.header {
				continue
			}
			for _, m := range tab.masked {
				clear(msg[m[0]:m[1]])
			}
			line := fmt.Sprintf("%s xfrm %s %x", ns, tab.name, msg[:tab.header])
			for _, a := range attributes(msg, tab.header) {
				if a.typ != 15 { // XFRMA_LASTUSED
					line += fmt.Sprintf(" %d=%x", a.typ, a.value)
				}
			}
			lines = append(lines, line)
		}
		sort.Strings(lines)
		for _, l := range lines {
			fmt.Fprintln(b, l)
		}
	}
	return nil
}

const netlinkXfrm = 6 // NETLINK_XFRM
