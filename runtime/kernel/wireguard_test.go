package kernel

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPeerEntries puts what the kernel shows of a peer into the form in which one is added: without zeros, and without
// the secret, of which it says that there is one.
func TestPeerEntries(t *testing.T) {
	key, secret := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{9}, 32)
	ranges := []netip.Prefix{netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("10.0.0.0/8")}
	shown := map[int][]byte{unix.WGPEER_A_PUBLIC_KEY: key, unix.WGPEER_A_PRESHARED_KEY: secret,
		unix.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL: {0, 0}, unix.WGPEER_A_PROTOCOL_VERSION: {1, 0, 0, 0},
		unix.WGPEER_A_RX_BYTES:   binary.NativeEndian.AppendUint64(nil, 5),
		unix.WGPEER_A_ENDPOINT:   {2, 0, 1, 2, 3, 4, 5, 6},
		unix.WGPEER_A_ALLOWEDIPS: AllowedIPs(ranges)}
	raw := peerEntry(77, shown)
	if bytes.Contains(raw, secret[:8]) || wgPeerTable.Secret(raw) == "" {
		t.Errorf("its secret: %x", raw)
	}
	if err := wgPeerTable.valid(raw, 77); err != nil {
		t.Error(err)
	}
	if got := ReadAllowedIPs(peerAttr(raw, unix.WGPEER_A_ALLOWEDIPS)); !slices.Equal(got,
		[]netip.Prefix{ranges[1], ranges[0]}) {
		t.Errorf("behind it are %v", got)
	}
	// Another endpoint, counters and the secret make no other peer; other addresses do.
	shown[unix.WGPEER_A_ENDPOINT], shown[unix.WGPEER_A_RX_BYTES], shown[unix.WGPEER_A_PRESHARED_KEY] = nil, nil, nil
	same := peerEntry(77, shown)
	if !bytes.Equal(wgPeerTable.sum(raw), wgPeerTable.sum(same)) || wgPeerTable.Secret(same) != "" {
		t.Errorf("%x is another one than %x", wgPeerTable.sum(raw), wgPeerTable.sum(same))
	}
	shown[unix.WGPEER_A_ALLOWEDIPS] = nil
	if bytes.Equal(wgPeerTable.sum(raw), wgPeerTable.sum(peerEntry(77, shown))) {
		t.Error("one with other addresses is the same")
	}
	if plain := wgPeerTable.plain(raw); peerAttr(plain, unix.WGPEER_A_PRESHARED_KEY) != nil ||
		peerAttr(plain, unix.WGPEER_A_ENDPOINT) == nil {
		t.Errorf("it is added with %x", plain)
	}
	shown[unix.WGPEER_A_PUBLIC_KEY] = bytes.Repeat([]byte{8}, 32)
	shown[unix.WGPEER_A_ALLOWEDIPS] = AllowedIPs(ranges[:1])
	if err := peersClash([][]byte{raw}, peerEntry(77, shown)); err == nil {
		t.Error("two peers have the same addresses")
	}
}
