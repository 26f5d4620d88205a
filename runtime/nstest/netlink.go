package nstest

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// within runs fn on a thread in the namespace that `ip netns` knows by a name, "" for the sandbox's own.
func within(ns string, fn func() error) error {
	if ns == "" {
		return fn()
	}
	home, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	away, err := os.Open("/run/netns/" + ns)
	if err != nil {
		return err
	}
	defer away.Close()
	runtime.LockOSThread()
	if err := setns(away); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		if setns(home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return fn()
}

func setns(f *os.File) error {
	if _, _, errno := syscall.RawSyscall(sysSetns, f.Fd(), syscall.CLONE_NEWNET, 0); errno != 0 {
		return errno
	}
	return nil
}

// A conn is a netlink socket of the tests' own: what they see must not depend on the code that they test.
type conn struct {
	fd  int
	seq uint32
	buf []byte
}

func dial(protocol int) (*conn, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, err
	}
	return &conn{fd: fd, buf: make([]byte, 64<<10)}, nil
}

func (c *conn) close() { syscall.Close(c.fd) }

// dump asks for all objects of a kind, again while the answer was interrupted by a change.
func (c *conn) dump(kind int, header []byte) (bodies [][]byte, err error) {
	for range 100 {
		if bodies, err = c.ask(kind, syscall.NLM_F_DUMP, header); err != errInterrupted {
			return bodies, err
		}
	}
	return nil, err
}

var errInterrupted = fmt.Errorf("dump interrupted 100 times")

func (c *conn) ask(kind, flags int, body []byte) (bodies [][]byte, err error) {
	c.seq++
	msg := make([]byte, syscall.NLMSG_HDRLEN, syscall.NLMSG_HDRLEN+len(body))
	binary.NativeEndian.PutUint32(msg, uint32(syscall.NLMSG_HDRLEN+len(body)))
	binary.NativeEndian.PutUint16(msg[4:], uint16(kind))
	binary.NativeEndian.PutUint16(msg[6:], uint16(syscall.NLM_F_REQUEST|flags))
	binary.NativeEndian.PutUint32(msg[8:], c.seq)
	if err := syscall.Sendto(c.fd, append(msg, body...), 0,
		&syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return nil, err
	}
	interrupted := false
	for {
		n, _, err := syscall.Recvfrom(c.fd, c.buf, 0)
		if err == syscall.EINTR {
			continue
		} else if err != nil {
			return nil, err
		}
		msgs, err := syscall.ParseNetlinkMessage(c.buf[:n])
		if err != nil {
			return nil, err
		}
		for _, m := range msgs {
			interrupted = interrupted || m.Header.Flags&nlmDumpIntr != 0
			switch {
			case m.Header.Seq != c.seq:
				continue
			case m.Header.Type == syscall.NLMSG_ERROR || m.Header.Type == syscall.NLMSG_DONE:
				if len(m.Data) >= 4 {
					if errno := int32(binary.NativeEndian.Uint32(m.Data)); errno != 0 {
						return nil, syscall.Errno(-errno)
					}
				}
				if interrupted {
					return nil, errInterrupted
				}
				return bodies, nil
			}
			bodies = append(bodies, append([]byte(nil), m.Data...))
			if m.Header.Flags&syscall.NLM_F_MULTI == 0 {
				return bodies, nil
			}
		}
	}
}

// read reads a small file with as few system calls as it takes: there are hundreds of them. Of a sysctl the kernel
// clears as many bytes as are asked for.
func (c *conn) read(path string) (string, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, c.buf[:4096])
	return strings.TrimSpace(string(c.buf[:max(n, 0)])), err
}

const nlmDumpIntr = 0x10

// sysSetns is setns(2), which package syscall does not name.
var sysSetns = map[string]uintptr{"amd64": 308, "arm64": 268}[runtime.GOARCH]

// An attribute of a netlink message.
type attribute struct {
	typ   int
	value []byte
}

// attributes are what stands behind a message's fixed header, in the kernel's order.
func attributes(msg []byte, header int) (all []attribute) {
	for msg = msg[min(header, len(msg)):]; len(msg) >= 4; {
		size := int(binary.NativeEndian.Uint16(msg))
		if size < 4 || size > len(msg) {
			return all
		}
		all = append(all, attribute{int(binary.NativeEndian.Uint16(msg[2:]) & 0x3fff), msg[4:size]})
		msg = msg[min((size+3)&^3, len(msg)):]
	}
	return all
}

func number(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

// find is the value of a message's attribute, nil when it has none.
func find(msg []byte, header, typ int) []byte {
	for _, a := range attributes(msg, header) {
		if a.typ == typ {
			return a.value
		}
	}
	return nil
}
