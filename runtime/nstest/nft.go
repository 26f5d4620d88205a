package nstest

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const (
	netlinkNetfilter = 12        // NETLINK_NETFILTER
	nftGetTable      = 10<<8 | 1 // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
	nfHeader         = 4         // of struct nfgenmsg
)

// nfts prints the ruleset of the thread's namespace, without what is counted, as the program nft shows it.
func nfts(b io.Writer, ns string) error {
	c, err := dial(netlinkNetfilter)
	if errors.Is(err, syscall.EPROTONOSUPPORT) {
		return nil
	} else if err != nil {
		return err
	}
	defer c.close()
	tables, err := c.dump(nftGetTable, make([]byte, nfHeader))
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EPERM) || err == nil && len(tables) == 0 {
		return nil // a kernel without them, or not for us to see
	} else if err != nil {
		return fmt.Errorf("dump of tables: %w", err)
	}
	out, err := exec.Command("nft", "-s", "list", "ruleset").CombinedOutput()
	if err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	_, err = fmt.Fprintf(b, "%s ruleset %s", ns, out)
	return err
}

// ClearNft empties the ruleset of the sandbox's own namespace.
func ClearNft(t testing.TB) {
	t.Helper()
	var b strings.Builder
	if err := nfts(&b, ""); err != nil {
		t.Fatal(err)
	}
	if b.Len() == 0 {
		return
	}
	if out, err := exec.Command("nft", "flush", "ruleset").CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
}
