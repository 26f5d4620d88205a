package nstest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// mroutes prints the multicast routes of the thread's namespace, and the links that they are over, without what is
// counted.
func mroutes(b io.Writer, ns string) error {
	for _, name := range []string{"ip_mr_vif", "ip6_mr_vif", "ip_mr_cache", "ip6_mr_cache"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
			f := strings.Fields(line)
			if strings.HasSuffix(name, "vif") {
				f = append(f[:2], f[6:]...) // number, name; flags
			} else {
				f = append(f[:3], f[6:]...) // group, source, from; to
			}
			fmt.Fprintln(b, ns, name, strings.Join(f, " "))
		}
	}
	return nil
}
