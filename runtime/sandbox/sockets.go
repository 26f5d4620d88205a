package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// An owned is an abstract unix(7) socket that was bound, and whose it is.
type owned struct {
	address string
	uid     int
}

// What is asked of sock_diag(7), as linux/unix_diag.h has it.
const (
	diagByFamily = 20
	diagShowName = 1 << 0
	diagShowUID  = 1 << 6
	diagName     = 0
	diagUID      = 7
	stateClose   = 7 // bound, and not listening yet
	stateListen  = 10
	diagHeader   = unix.SizeofNlMsghdr + 16 // of an answer, before its attributes
)

// sockets lists the abstract sockets of this network namespace by which something may be reached. Who made one is in
// the kernel: it tells without a connection, which a socket of somebody else's need not take.
func sockets() ([]owned, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("list unix sockets: %w", err)
	}
	defer unix.Close(fd)
	n := binary.NativeEndian
	ask := make([]byte, unix.SizeofNlMsghdr+24)
	n.PutUint32(ask, uint32(len(ask)))
	n.PutUint16(ask[4:], diagByFamily)
	n.PutUint16(ask[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	ask[unix.SizeofNlMsghdr] = unix.AF_UNIX
	n.PutUint32(ask[unix.SizeofNlMsghdr+4:], 1<<stateClose|1<<stateListen)
	n.PutUint32(ask[unix.SizeofNlMsghdr+12:], diagShowName|diagShowUID)
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("list unix sockets: %w", err)
	}
	var all []owned
	for buf := make([]byte, 64<<10); ; {
		k, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("list unix sockets: %w", err)
		}
		some, done, err := answers(buf[:k])
		if all = append(all, some...); done || err != nil {
			return all, err
		}
	}
}

// answers reads what the kernel answered. done: there is no more.
func answers(msgs []byte) (all []owned, done bool, err error) {
	n := binary.NativeEndian
	for len(msgs) >= unix.SizeofNlMsghdr {
		size, kind := int(n.Uint32(msgs)), n.Uint16(msgs[4:])
		switch {
		case size < unix.SizeofNlMsghdr || size > len(msgs):
			return all, true, errors.New("list unix sockets: the kernel's answer is cut off")
		case kind == unix.NLMSG_DONE:
			return all, true, nil
		case kind == unix.NLMSG_ERROR && size >= unix.SizeofNlMsghdr+4:
			return all, true, fmt.Errorf("list unix sockets: %w",
				unix.Errno(-int32(n.Uint32(msgs[unix.SizeofNlMsghdr:]))))
		case kind == diagByFamily && size >= diagHeader:
			if s := (attributes(msgs[diagHeader:size])); s.address != "" {
				all = append(all, s)
			}
		}
		msgs = msgs[min(align(size), len(msgs)):]
	}
	return all, false, nil
}

func attributes(attrs []byte) (s owned) {
	n := binary.NativeEndian
	for len(attrs) >= unix.SizeofNlAttr {
		size, kind := int(n.Uint16(attrs)), n.Uint16(attrs[2:])
		if size < unix.SizeofNlAttr || size > len(attrs) {
			return s
		}
		value := attrs[unix.SizeofNlAttr:size]
		switch {
		case kind == diagName && len(value) > 1 && value[0] == 0:
			s.address = string(value[1:])
		case kind == diagUID && len(value) == 4:
			s.uid = int(n.Uint32(value))
		}
		attrs = attrs[min(align(size), len(attrs)):]
	}
	return s
}

func align(size int) int { return (size + 3) &^ 3 }

// unowned reads the addresses from /proc/net/unix, for a kernel without unix_diag: whose they are shows when they are
// connected to.
func unowned() ([]owned, error) {
	text, err := os.ReadFile("/proc/net/unix")
	var all []owned
	for line := range strings.Lines(string(text)) {
		if _, address, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " @"); ok {
			all = append(all, owned{address, os.Geteuid()})
		}
	}
	return all, err
}
