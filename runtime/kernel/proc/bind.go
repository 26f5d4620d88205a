package proc

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNoBinding means that sockets of processes cannot be bound to a link here.
var ErrNoBinding = errors.New("sockets of its processes cannot be bound to a link")

// bindSockets binds each socket that processes of a cgroup make to a link, as ip-vrf(8) does. A cgroup below it can
// have another link. The program goes with the cgroup.
func bindSockets(cgroup, index int) error {
	// r2 = index; *(u32 *)(r1 + offsetof(struct bpf_sock, bound_dev_if)) = r2; return 1
	code := []uint64{uint64(uint32(index))<<32 | 0x02b7, 0x2163, 1<<32 | 0x00b7, 0x0095}
	license := []byte("GPL\x00")
	var pin runtime.Pinner // the kernel is told of their addresses as numbers
	defer pin.Unpin()
	pin.Pin(&code[0])
	pin.Pin(&license[0])
	load := struct {
		kind, count   uint32
		code, license uint64
		_             [11]uint32
		attach        uint32
	}{kind: unix.BPF_PROG_TYPE_CGROUP_SOCK, count: uint32(len(code)), code: uint64(uintptr(unsafe.Pointer(&code[0]))),
		license: uint64(uintptr(unsafe.Pointer(&license[0]))), attach: unix.BPF_CGROUP_INET_SOCK_CREATE}
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&load), unsafe.Sizeof(load))
	if err != nil {
		return fmt.Errorf("%w: load program: %w", ErrNoBinding, err)
	}
	defer unix.Close(fd)
	attach := struct{ cgroup, program, kind, flags uint32 }{uint32(cgroup), uint32(fd),
		unix.BPF_CGROUP_INET_SOCK_CREATE, unix.BPF_F_ALLOW_OVERRIDE}
	if _, err := bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(&attach), unsafe.Sizeof(attach)); err != nil {
		return fmt.Errorf("%w: attach program to cgroup: %w", ErrNoBinding, err)
	}
	return nil
}

// BindsSockets is ErrNoBinding where no command's sockets can be bound to a link.
func (r *Runner) BindsSockets() error {
	path, err := r.FreeCgroup()
	if err == nil {
		err = AddCgroup(path)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoBinding, err)
	}
	fd, err := openOurs(path)
	if err == nil {
		err = bindSockets(fd, 1)
		unix.Close(fd)
	}
	return errors.Join(err, DeleteCgroup(path))
}

func bpf(command uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attr), size)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}
