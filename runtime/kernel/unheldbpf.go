package kernel

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attachTypes are where programs are attached to a link and no message of rtnetlink tells of them (Linux 6.6,
// linux/bpf.h).
var attachTypes = []struct {
	name string
	typ  uint32
}{{"tcx ingress", 46}, {"tcx egress", 47}}

// givenPrograms are the BPF programs that look at a link's packets, beside those of XDP and of filters.
func givenPrograms(at *subject) (found []string, err error) {
	for _, a := range attachTypes {
		var count uint32
		// It looks at the namespace of the thread.
		err := at.n.Do(func() error {
			count, err = attachedPrograms(at.l.Index, a.typ)
			return err
		})
		switch {
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
			return nil, nil // a kernel without them, or a user who cannot have any
		case err != nil:
			return nil, err
		case count > 0:
			found = append(found, fmt.Sprintf("program of %s", a.name))
		}
	}
	return found, nil
}

// attachedPrograms is how many programs are attached to a link in one way (bpf(2), BPF_PROG_QUERY).
func attachedPrograms(index int, typ uint32) (uint32, error) {
	query := struct {
		index, typ, queryFlags, attachFlags uint32
		ids                                 uint64
		count, _                            uint32
		_                                   [6]uint64 // what later kernels tell
	}{index: uint32(index), typ: typ}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_QUERY, uintptr(unsafe.Pointer(&query)),
		unsafe.Sizeof(query))
	if errno != 0 {
		return 0, errno
	}
	return query.count, nil
}
