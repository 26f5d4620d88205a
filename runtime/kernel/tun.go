package kernel

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// tunDevice is what makes a tun or tap link for whoever opens it, in the namespace of the thread that does.
const tunDevice = "/dev/net/tun"

// What the kernel says of such a link (linux/if_link.h).
const (
	iflaTunOwner      = 1
	iflaTunGroup      = 2
	iflaTunType       = 3
	iflaTunPI         = 4
	iflaTunVNetHdr    = 5
	iflaTunPersist    = 6
	iflaTunMultiQueue = 7
	iflaTunQueues     = 8
	iflaTunDisabled   = 9
)

var (
	tunFlags = []int{iflaTunPI, iflaTunVNetHdr, iflaTunMultiQueue}
	tunNeeds = []int{iflaTunMultiQueue}
	tunShown = []int{iflaTunType, iflaTunPersist, iflaTunQueues, iflaTunDisabled}
)

// tunKind is the kind of a link that is made so, by its IFLA_INFO_DATA.
func tunKind(info []byte) string {
	mode := rtnl.Attr(info, 0, iflaTunType)
	i := slices.IndexFunc(kinds, func(k Kind) bool { return len(mode) == 1 && k.Device == int(mode[0]) })
	if i < 0 {
		return "tuntap"
	}
	return kinds[i].Name
}

// tun is the descriptor of a link that is gone when it is closed, until it is kept.
type tun int

// openTun makes one in the namespace of the calling thread.
func openTun(l LinkSpec) (tun, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, hinted(fail(err, "open", tunDevice, nil),
			"modprobe tun, a kernel with it (CONFIG_TUN), or in a container: give it %s", tunDevice)
	}
	on := func(typ, flag int) int {
		if v := rtnl.Attr(l.Data, 0, typ); v == nil || len(v) > 0 && v[0] == 0 {
			return 0
		}
		return flag
	}
	flags := kindOf(l.Kind).Device | unix.IFF_TUN_EXCL | unix.IFF_NO_PI ^ on(iflaTunPI, unix.IFF_NO_PI) |
		on(iflaTunVNetHdr, unix.IFF_VNET_HDR) | on(iflaTunMultiQueue, unix.IFF_MULTI_QUEUE)
	ifr, err := unix.NewIfreq(l.Name)
	if err == nil {
		ifr.SetUint16(uint16(flags))
		err = failpoint.Call(func() error { return unix.IoctlSetPointerInt(fd, unix.TUNSETIFINDEX, l.Index) })
	}
	if err == nil {
		err = failpoint.Call(func() error { return unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr) })
	}
	for typ, set := range map[int]uint{iflaTunOwner: unix.TUNSETOWNER, iflaTunGroup: unix.TUNSETGROUP} {
		if err == nil && rtnl.Attr(l.Data, 0, typ) != nil {
			err = failpoint.Call(func() error { return unix.IoctlSetInt(fd, set, rtnl.Uint32(l.Data, 0, typ)) })
		}
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return tun(fd), nil
}

// keep makes the link last, and closes it.
func (t tun) keep() error {
	failpoint.Hit("tun: before it lasts")
	err := failpoint.Call(func() error { return unix.IoctlSetInt(int(t), unix.TUNSETPERSIST, 1) })
	return errors.Join(err, unix.Close(int(t)))
}

// keepTun makes one that lasts.
func keepTun(l LinkSpec) error {
	t, err := openTun(l)
	if err != nil {
		return err
	}
	return t.keep()
}

// addTun makes a tun or tap link. It is all that it is to be before it lasts, but up: it has no carrier before it is
// closed.
func (m *Machine) addTun(n *Namespace, l LinkSpec) error {
	var t tun
	err := n.Do(func() (err error) { t, err = openTun(l); return err })
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EINVAL) {
		// It is refused for a name that is taken, in two ways.
		if _, e := n.Link(l.Name); e == nil {
			return linkTaken(unix.EEXIST, n, n, l, l)
		}
	}
	if err != nil {
		return fail(err, "add "+l.Kind, l.Name, n)
	}
	down := l
	down.Up = false
	if l.MTU > 0 || l.MAC != "" {
		err = n.do(unix.RTM_NEWLINK, 0, down.parts()...)
	}
	if err != nil {
		return fail(errors.Join(err, unix.Close(int(t))), "add "+l.Kind, l.Name, n)
	}
	if err = t.keep(); err == nil && l.Up {
		if err = m.SetLink(l.LinkRef, "up", "on"); err != nil {
			if e := m.DelLink(l.LinkRef); e != nil {
				err = Partly(errors.Join(err, e))
			}
		}
	}
	return fail(err, "add "+l.Kind, l.Name, n)
}

// opened is a process that has a tun or tap link open: it has a carrier for as long.
func opened(at *subject) ([]string, error) {
	if kindOf(at.l.Kind).Device == 0 {
		return nil, nil
	}
	carrier := rtnl.Attr(at.raw, unix.SizeofIfInfomsg, unix.IFLA_CARRIER)
	if len(carrier) == 1 && carrier[0] == 1 {
		return []string{"process that has opened it"}, nil
	}
	return nil, nil
}
