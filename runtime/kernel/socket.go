package kernel

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Socket is a TCP or UDP socket of a namespace as sock_diag(7) shows it at one moment.
type Socket struct {
	Proto       string // tcp, udp
	State       string // in the words of ss(8)
	Local, Peer netip.AddrPort
	Link        int // index of the link that it is bound to, 0 for none
	UID, Inode  int
	// Bytes that nobody has read, and that are not acknowledged; of one that listens, connections that wait, and how
	// many may.
	RecvQ, SendQ int
	TCP          *netlink.TCPInfo // tcp(7), TCP_INFO; nil when the kernel has none
}

// socketStates are the words of ss(8) for the numbers of include/net/tcp_states.h.
var socketStates = []string{"UNKNOWN", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
	"UNCONN", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "NEW-SYN-RECV"}

// Sockets lists the TCP and UDP sockets of the namespace, those of IPv4 first.
func (n *Namespace) Sockets() (all []Socket, err error) {
	err = n.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_INET_DIAG)
		if err != nil {
			return err
		}
		defer h.Close()
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			tcp, err := h.SocketDiagTCPInfo(family)
			if err != nil {
				return err
			}
			for _, s := range tcp {
				all = append(all, socketOf("tcp", s.InetDiagMsg, s.TCPInfo))
			}
			udp, err := h.SocketDiagUDP(family)
			if errors.Is(err, unix.ENOENT) {
				continue // a kernel without INET_UDP_DIAG
			} else if err != nil {
				return err
			}
			for _, s := range udp {
				all = append(all, socketOf("udp", s, nil))
			}
		}
		return nil
	})
	return all, fail(err, "list sockets", "", n)
}

func socketOf(proto string, s *netlink.Socket, tcp *netlink.TCPInfo) Socket {
	addr := func(ip net.IP, port uint16) netip.AddrPort {
		a, _ := netip.AddrFromSlice(ip)
		if s.Family == unix.AF_INET {
			a = a.Unmap()
		}
		return netip.AddrPortFrom(a, port)
	}
	return Socket{Proto: proto, State: socketStates[min(int(s.State), len(socketStates)-1)],
		Local: addr(s.ID.Source, s.ID.SourcePort), Peer: addr(s.ID.Destination, s.ID.DestinationPort),
		Link: int(s.ID.Interface), UID: int(s.UID), Inode: int(s.INode),
		RecvQ: int(s.RQueue), SendQ: int(s.WQueue), TCP: tcp}
}
