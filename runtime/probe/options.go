package probe

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// configure sets the options of a fresh socket.
func configure(fd int, p Ping) error {
	type option struct{ level, name, value int }
	// The stamp is the kernel's, so that a busy machine adds nothing to a
	// round trip by waking this process late.
	options := []option{{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1}}
	if p.Dst.Is4() {
		discover := unix.IP_PMTUDISC_DONT
		if p.DF {
			discover = unix.IP_PMTUDISC_DO
		}
		options = append(options,
			option{unix.SOL_RAW, unix.ICMP_FILTER, int(^uint32(1 << echoReply4))},
			option{unix.SOL_IP, unix.IP_RECVERR, 1},
			option{unix.SOL_IP, unix.IP_RECVTTL, 1},
			option{unix.SOL_IP, unix.IP_MTU_DISCOVER, discover})
		if p.TTL > 0 {
			options = append(options,
				option{unix.SOL_IP, unix.IP_TTL, p.TTL},
				option{unix.SOL_IP, unix.IP_MULTICAST_TTL, p.TTL})
		}
	} else {
		discover := unix.IPV6_PMTUDISC_WANT
		if p.DF {
			discover = unix.IPV6_PMTUDISC_DO
		}
		options = append(options,
			option{unix.SOL_IPV6, unix.IPV6_RECVERR, 1},
			option{unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
			option{unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, discover})
		if p.TTL > 0 {
			options = append(options,
				option{unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, p.TTL},
				option{unix.SOL_IPV6, unix.IPV6_MULTICAST_HOPS, p.TTL})
		}
		var block unix.ICMPv6Filter
		for i := range block.Data {
			block.Data[i] = ^uint32(0)
		}
		block.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
		if err := unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &block); err != nil {
			return fmt.Errorf("set option icmpv6 filter of icmp socket: %w", err)
		}
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("set option %d/%d of icmp socket: %w", o.level, o.name, err)
		}
	}
	return nil
}
