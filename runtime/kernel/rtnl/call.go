package rtnl

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Go gives the processor of a goroutine that is in a system call to another one, and has it wait for one afterwards. A
// lab is thousands of short calls, and that cost a tenth of the time that it took to make it: Go is not told of these.
// They wait for no more than the kernel's lock of all network namespaces.

// send hands the kernel a message. It has done what the message asks for when the call returns.
func (c *Conn) send(msg []byte) error {
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(msg))),
		uintptr(len(msg)))
	return refusal(errno)
}

// recv takes a message that is there, and tells how long it is and from which socket. Only for one that is yet to come
// it waits, up to Timeout, and then Go knows.
func (c *Conn) recv(buf []byte) (size int, from unix.RawSockaddrNetlink, err error) {
	room := uint32(unix.SizeofSockaddrNetlink)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(len(buf)), unix.MSG_TRUNC|unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&from)),
		uintptr(unsafe.Pointer(&room)))
	if errno == unix.EAGAIN {
		n, _, errno = unix.Syscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
			uintptr(len(buf)), unix.MSG_TRUNC, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&room)))
	}
	return int(n), from, refusal(errno)
}

// Unshare moves the calling thread into a network namespace that it makes.
func Unshare() error {
	_, _, errno := unix.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWNET, 0, 0)
	return refusal(errno)
}

func refusal(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
