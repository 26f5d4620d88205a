package builtins

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// bpf calls bpf(2).
func bpf(t *testing.T, cmd uintptr, attr unsafe.Pointer, size uintptr) int {
	t.Helper()
	r, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
	switch errno {
	case 0:
	case unix.EPERM, unix.ENOSYS, unix.EINVAL:
		t.Skip("this kernel takes no such program here: ", errno)
	default:
		t.Fatal(errno)
	}
	return int(r)
}

// program loads one that passes everything.
func program(t *testing.T, typ, attachType uint32) int {
	t.Helper()
	code := []uint64{0x2_0000_00b7, 0x95} // r0 = 2 (XDP_PASS); exit
	if attachType != 0 {
		code[0] = 0xffffffff_0000_00b7 // r0 = -1 (TCX_NEXT)
	}
	license := []byte("GPL\x00")
	attr := struct {
		typ, count    uint32
		code, license uint64
		_             [11]uint32
		attachType    uint32
	}{typ: typ, count: uint32(len(code)), code: uint64(uintptr(unsafe.Pointer(&code[0]))),
		license: uint64(uintptr(unsafe.Pointer(&license[0]))), attachType: attachType}
	fd := bpf(t, unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestUnheldPrograms deletes links that programs are attached to, and sets such links down.
func TestUnheldPrograms(t *testing.T) {
	for _, c := range []struct {
		name, want string
		attach     func(t *testing.T, index int)
	}{
		{"XDP", "xdp program of link m0 in host", func(t *testing.T, index int) {
			fd := program(t, unix.BPF_PROG_TYPE_XDP, 0)
			msg := make([]byte, 16+16+4+8)
			put := binary.NativeEndian
			put.PutUint32(msg, uint32(len(msg)))
			put.PutUint16(msg[4:], unix.RTM_NEWLINK)
			put.PutUint16(msg[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
			put.PutUint32(msg[20:], uint32(index))
			put.PutUint16(msg[32:], 12)
			put.PutUint16(msg[34:], unix.IFLA_XDP|unix.NLA_F_NESTED)
			put.PutUint16(msg[36:], 8)
			put.PutUint16(msg[38:], unix.IFLA_XDP_FD)
			put.PutUint32(msg[40:], uint32(fd))
			s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(s)
			answer := make([]byte, 4096)
			if err := unix.Sendto(s, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
				t.Fatal(err)
			}
			if n, err := unix.Read(s, answer); err != nil || n < 20 || put.Uint32(answer[16:]) != 0 {
				t.Fatalf("attach: %v, %x", err, answer[:max(n, 0)])
			}
		}},
		{"tcx", "program of tcx ingress of link m0 in host", func(t *testing.T, index int) {
			const schedCLS, tcxIngress = 3, 46
			attr := struct{ index, fd, typ, flags, _, _ uint32 }{uint32(index),
				uint32(program(t, schedCLS, tcxIngress)), tcxIngress, 0, 0, 0}
			bpf(t, unix.BPF_PROG_ATTACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() { clearHost(t) })
			shell(t, pairs)
			l, err := net.InterfaceByName("m0")
			if err != nil {
				t.Fatal(err)
			}
			c.attach(t, l.Index)
			nstest.Quiet(t, "")
			before := nstest.Snapshot(t, "")
			if _, err := runScript(t, "x.star", `host.link("m0").delete()`); err == nil ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, err := runScript(t, "x.star", "down(host.link(\"m0\"))\nfail(\"undo\")"); err == nil ||
				!strings.Contains(err.Error(), "undo") {
				t.Errorf("down: %v", err)
			}
			nstest.Quiet(t, "")
			if after := nstest.Snapshot(t, ""); after != before {
				t.Errorf("differs:\n%s", nstest.Diff(before, after))
			}
		})
	}
}
