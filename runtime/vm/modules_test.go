package vm

import (
	"slices"
	"testing"
)

// TestNeeded checks which modules are brought along: those for networks, and what they depend on.
func TestNeeded(t *testing.T) {
	const dep = `kernel/fs/btrfs/btrfs.ko: kernel/lib/raid6/raid6_pq.ko
kernel/lib/crc/libcrc32c.ko:
kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz kernel/lib/crc/libcrc32c.ko
kernel/net/ipv4/udp_tunnel.ko.xz:
kernel/drivers/net/ethernet/intel/e1000.ko:
kernel/drivers/network/other.ko:
kernel/net/sunrpc/sunrpc.ko: kernel/fs/nfs_common/grace.ko
`
	want := []string{"kernel/drivers/net/vxlan/vxlan.ko.xz", "kernel/lib/crc/libcrc32c.ko",
		"kernel/net/ipv4/udp_tunnel.ko.xz"}
	if got := needed(dep, forNetworks); !slices.Equal(got, want) {
		t.Errorf("needed are %q, want %q", got, want)
	}
}
