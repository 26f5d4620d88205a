package kernel

import (
	"errors"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// handle is the library's view of the namespace, for routes, which it parses and composes better than we would.
func (n *Namespace) handle() (*netlink.Handle, error) {
	if n.routes != nil {
		return n.routes, nil
	}
	err := n.Do(func() (err error) {
		n.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, err
	}
	return n.routes, n.routes.SetSocketTimeout(rtnl.Timeout)
}

// whole repeats a read of the library's until it was not interrupted.
func whole[T any](read func() (T, error)) (v T, err error) {
	for range 50 {
		if v, err = read(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return v, err
		}
	}
	return v, err
}
