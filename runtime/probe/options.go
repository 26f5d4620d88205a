package probe

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// configure sets the options of a fresh socket.
func configure(fd int, p Ping) error {
	type option struct{ level, name, value int }
	// The stamp is the kernel's, so that a busy machine adds nothing to a
	// round trip by waking this process late.
	options := []option{{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1}}
	if p.Mark != 0 {
		options = append(options, option{unix.SOL_SOCKET, unix.SO_MARK, int(p.Mark)})
	}
	if p.Broadcast {
		options = append(options, option{unix.SOL_SOCKET, unix.SO_BROADCAST, 1})
	}
	if p.Dst.Is4() {
		discover := unix.IP_PMTUDISC_DONT
		if p.DF {
			discover = unix.IP_PMTUDISC_DO
		} else if p.Discover != "" {
			discover = discovery(p.Discover, false)
		}
		options = append(options,
			option{unix.SOL_IP, unix.IP_TOS, p.TOS},
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
		} else if p.Discover != "" {
			discover = discovery(p.Discover, true)
		}
		options = append(options,
			option{unix.SOL_IPV6, unix.IPV6_TCLASS, p.TOS},
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

// discovery is the kernel's number of a word for how path MTUs are taken care of, -1 for another word.
func discovery(word string, v6 bool) int {
	numbers, ok := map[string][2]int{
		"":      {unix.IP_PMTUDISC_DONT, unix.IPV6_PMTUDISC_WANT},
		"dont":  {unix.IP_PMTUDISC_DONT, unix.IPV6_PMTUDISC_DONT},
		"want":  {unix.IP_PMTUDISC_WANT, unix.IPV6_PMTUDISC_WANT},
		"do":    {unix.IP_PMTUDISC_DO, unix.IPV6_PMTUDISC_DO},
		"probe": {unix.IP_PMTUDISC_PROBE, unix.IPV6_PMTUDISC_PROBE},
	}[word]
	switch {
	case !ok:
		return -1
	case v6:
		return numbers[1]
	}
	return numbers[0]
}

// leaveBy has packets of a socket leave by a link, to groups as well, without binding it to the link.
func leaveBy(fd int, v6 bool, index int) error {
	order := binary.BigEndian.AppendUint32(nil, uint32(index)) // of IP_UNICAST_IF and IPV6_UNICAST_IF alone
	network := int(binary.NativeEndian.Uint32(order))
	if v6 {
		return errors.Join(unix.SetsockoptInt(fd, unix.SOL_IPV6, ipv6UnicastIf, network),
			unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MULTICAST_IF, index))
	}
	return errors.Join(unix.SetsockoptInt(fd, unix.SOL_IP, ipUnicastIf, network),
		unix.SetsockoptIPMreqn(fd, unix.SOL_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)}))
}

// Of linux/in.h and linux/in6.h.
const (
	ipUnicastIf   = 50
	ipv6UnicastIf = 76
)
