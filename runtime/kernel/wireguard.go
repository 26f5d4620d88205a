package kernel

import "golang.org/x/sys/unix"

// wireguard is the family of generic netlink that has what wg(8) shows.
var wireguard = generic{get: unix.WG_CMD_GET_DEVICE, set: unix.WG_CMD_SET_DEVICE, index: unix.WGDEVICE_A_IFINDEX,
	hides: []int{unix.WGDEVICE_A_IFINDEX, unix.WGDEVICE_A_IFNAME, unix.WGDEVICE_A_PRIVATE_KEY, unix.WGDEVICE_A_FLAGS,
		unix.WGDEVICE_A_PEERS}}
