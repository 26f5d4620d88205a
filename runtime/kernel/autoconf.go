package kernel

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// What the kernel configures by itself out of routers' advertisements (RFC 4861, 4862, 8981) it takes from nobody else:
// it is a Loss before a change that would take it along.

// Learned are default routes that the kernel has from routers' advertisements. One that is added by a request looks the
// same and is not: the kernel then cannot add the router's own, and ignores the rest of all that router's
// advertisements (ndisc_router_discovery in net/ipv6/ndisc.c), until the link's addresses have run out.
type Learned struct {
	Routes [][]byte `json:"routes,omitempty"`
	Saved  int64    `json:"saved,omitempty"`
}

// Valid says what is wrong with them.
func (l Learned) Valid() error {
	for _, raw := range l.Routes {
		if err := rtnl.ValidMsg(raw, unix.SizeofRtMsg); err != nil {
			return fmt.Errorf("a wrong route: %w", err)
		}
	}
	return nil
}

// Losses are that of each of the routes, in a namespace.
func (l Learned) Losses(ns NSRef) error {
	var errs []error
	for _, raw := range l.Routes {
		errs = append(errs, learnedLoss(raw, ns))
	}
	return errors.Join(errs...)
}

func learnedLoss(raw []byte, ns NSRef) *Loss {
	return &Loss{What: "route " + routeText(raw) + " in " + ns.String(),
		Why: "the kernel has it from a router's advertisement, and takes it from nobody else",
		Hint: "it comes with the router's next advertisement; net.ipv6.conf.LINK.accept_ra=2 keeps it while the " +
			"namespace forwards"}
}

// MissingLearned is the Losses of those routes that are not there and would be.
func (m *Machine) MissingLearned(ns NSRef, l Learned) error {
	if len(l.Routes) == 0 {
		return nil
	}
	n, err := m.Namespace(ns)
	if err != nil {
		return unlessGone(err)
	}
	have, err := n.routes46()
	errs := []error{err}
	past := max(clock()-l.Saved, 0)
	for _, raw := range l.Routes {
		if agedRoute(raw, past) != nil && !slices.ContainsFunc(have, func(h []byte) bool { return sameRoute(h, raw) }) {
			errs = append(errs, learnedLoss(raw, ns))
		}
	}
	return errors.Join(errs...)
}

// Flags of a route in /proc/net/ipv6_route (linux/ipv6_route.h): the kernel added it by itself, and it leads to a
// router.
const (
	rtfDefault  = 0x00010000
	rtfAddrconf = 0x00040000
)

// learned takes the routes that the kernel learned out of others. Only /proc tells them from what somebody added with
// `proto ra`, as some programs do that listen to the advertisements themselves.
func (n *Namespace) learned(routes [][]byte) (others [][]byte, learned Learned, err error) {
	var from map[string]bool
	for _, raw := range routes {
		if head := nl.DeserializeRtMsg(raw); head.Family != unix.AF_INET6 || head.Dst_len != 0 ||
			head.Protocol != unix.RTPROT_RA {
			others = append(others, raw)
			continue
		}
		if from == nil {
			if from, err = n.routers(); err != nil {
				return nil, learned, err
			}
		}
		l, err := n.linkByIndex(rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF))
		if err != nil && !errors.Is(err, ErrGone) {
			return nil, learned, err
		}
		if err == nil && from[l.Name+" "+hex.EncodeToString(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_GATEWAY))] {
			learned.Routes, learned.Saved = append(learned.Routes, raw), clock()
		} else {
			others = append(others, raw)
		}
	}
	return others, learned, nil
}

// routers are the routers that the kernel has routes through by their own advertisements, as "LINK GATEWAY".
func (n *Namespace) routers() (map[string]bool, error) {
	all := map[string]bool{}
	err := n.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/ipv6_route")
		if err != nil {
			return err
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			// destination, its length, source, its length, gateway, metric, references, use, flags, link
			col := strings.Fields(lines.Text())
			if len(col) != 10 {
				continue
			}
			flags, err := strconv.ParseUint(col[8], 16, 32)
			if err == nil && flags&(rtfDefault|rtfAddrconf) == rtfDefault|rtfAddrconf {
				all[col[9]+" "+col[4]] = true
			}
		}
		return lines.Err()
	})
	return all, err
}

// Purged are the routes that the kernel drops when a key is written, as a host that becomes a router
// (rt6_purge_dflt_routers in net/ipv6/route.c): those of all links that have no accept_ra=2, when forwarding is set on
// one. values are what is written, now and by undoing it.
func (n *Namespace) Purged(key string, values []string) (Learned, error) {
	path, err := SysctlPath(key)
	if err != nil {
		return Learned{}, err
	}
	parts := strings.Split(path, "/")
	if len(parts) != 5 || parts[1] != "ipv6" || parts[2] != "conf" || parts[3] == "default" ||
		parts[4] != "forwarding" ||
		!slices.ContainsFunc(values, func(v string) bool { return strings.TrimSpace(v) != "0" }) {
		return Learned{}, nil
	}
	routes, err := n.routes46()
	if err != nil {
		return Learned{}, n.sysctlError(err, "set sysctl", key)
	}
	_, all, err := n.learned(routes)
	kept := func(raw []byte) bool {
		l, e := n.linkByIndex(rtnl.Uint32(raw, unix.SizeofRtMsg, unix.RTA_OIF))
		if e != nil {
			err = errors.Join(err, unlessGone(e))
			return true
		}
		accept, e := n.Sysctl("net/ipv6/conf/" + l.Name + "/accept_ra")
		return e == nil && accept == "2"
	}
	all.Routes = slices.DeleteFunc(all.Routes, kept)
	if len(all.Routes) == 0 {
		return Learned{}, n.sysctlError(err, "set sysctl", key)
	}
	return all, n.sysctlError(err, "set sysctl", key)
}

// takenFromNobody are the flags of an IPv6 address that the kernel gives and lets nobody else give.
const takenFromNobody = unix.IFA_F_TEMPORARY | unix.IFA_F_STABLE_PRIVACY

// kernelOnly reports whether an address is one that only the kernel can add.
func kernelOnly(msg []byte) bool {
	return len(msg) > 0 && msg[0] == unix.AF_INET6 && addrFlags(msg)&takenFromNobody != 0
}

func (img *Image) addrLoss(msg []byte) *Loss {
	kind := "temporary"
	if addrFlags(msg)&unix.IFA_F_TEMPORARY == 0 {
		kind = "stable-privacy"
	}
	return &Loss{What: kind + " address " + addrKey(msg).Prefix.String() + " of link " + img.String(),
		Why:  "only the kernel makes such addresses",
		Hint: "net.ipv6.conf.LINK.use_tempaddr=0 has it make no more of them"}
}

// groupLoss is the Loss of an address that is a group which the link joined (autojoin in ip-address(8)).
func groupLoss(msg []byte) *Loss {
	return &Loss{What: "address " + addrKey(msg).Prefix.String(),
		Why: "it is a group that the link joined, and a link that was deleted or moved cannot join it again"}
}

func (img *Image) tokenLoss() *Loss {
	return &Loss{What: "token " + img.Token + " of link " + img.String(), Why: "it goes with the link's IPv6",
		Hint: "`ip token` shows it; `ip token set` sets it again"}
}

// autoconf is the Losses of what was configured out of advertisements, to be asked before what takes the link's IPv6
// along.
func (img *Image) autoconf() error {
	errs := []error{img.Learned.Losses(img.Link.NS)}
	for _, msg := range img.addrs() {
		// A link-local one the kernel makes again by itself.
		if kernelOnly(msg) && !addrKey(msg).Prefix.Addr().IsLinkLocalUnicast() {
			errs = append(errs, img.addrLoss(msg))
		}
		if addrFlags(msg)&unix.IFA_F_MCAUTOJOIN != 0 {
			errs = append(errs, groupLoss(msg))
		}
	}
	if img.Token != "" {
		errs = append(errs, img.tokenLoss())
	}
	img.Autoconf = true
	return errors.Join(errs...)
}

// Raised is the Losses of addresses that a link has while it is down, to be asked before it goes up: undone, it goes
// down, and the kernel makes these only for a link that is up, or makes others.
func (img *Image) Raised() error {
	var errs []error
	for _, msg := range img.addrs() {
		if kernelOnly(msg) {
			errs = append(errs, img.addrLoss(msg))
			img.Autoconf = true
		}
	}
	return errors.Join(errs...)
}

// Resized is the Losses of an image's routes that the kernel writes a new mtu of the link into: the mtu that a router's
// advertisement gave them.
func (img *Image) Resized() error {
	var errs []error
	for _, raw := range img.Learned.Routes {
		if rtnl.Attr(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_METRICS), 0, unix.RTAX_MTU) != nil {
			errs = append(errs, learnedLoss(raw, img.Link.NS))
			img.Autoconf = true
		}
	}
	return errors.Join(errs...)
}

// Managed is the Losses of the temporary addresses that go with an address, or with one that was added after it and
// would have to be added once more for their order.
func (img *Image) Managed(a Addr) error {
	var errs []error
	until := slices.IndexFunc(img.addrs(), func(msg []byte) bool {
		return addrKey(msg) == Addr{Prefix: a.Prefix, Peer: a.Peer}
	})
	manages := a.Prefix.Addr().Is6() && slices.ContainsFunc(img.addrs()[:until+1], func(msg []byte) bool {
		return msg[0] == unix.AF_INET6 && addrFlags(msg)&unix.IFA_F_MANAGETEMPADDR != 0
	})
	for i, msg := range img.addrs() {
		if kernelOnly(msg) && (i == until || manages && addrFlags(msg)&unix.IFA_F_TEMPORARY != 0) {
			errs = append(errs, img.addrLoss(msg))
			img.Autoconf = true
		}
	}
	return errors.Join(errs...)
}

// missingAutoconf is the Losses of what a change that was to take it along has taken.
func (m *Machine) missingAutoconf(img *Image) error {
	if !img.Autoconf {
		return nil
	}
	l, err := m.Read(img.Link)
	if err != nil {
		return err
	}
	n, index, err := m.find(img.Link)
	if err != nil {
		return err
	}
	have, err := n.linkAddrs(index)
	errs := []error{err, m.MissingLearned(img.Link.NS, img.Learned)}
	for _, msg := range img.addrs() {
		if kernelOnly(msg) &&
			!slices.ContainsFunc(have, func(h []byte) bool { return addrKey(h) == addrKey(msg) && kernelOnly(h) }) {
			errs = append(errs, img.addrLoss(msg))
		}
	}
	if img.Token != l.token {
		errs = append(errs, img.tokenLoss())
	}
	return errors.Join(errs...)
}

// tokenOf is the IPv6 token of a link's message (ip-token(8)), empty when it has none.
func tokenOf(raw []byte) string {
	inet6 := rtnl.Attr(rtnl.Attr(raw, unix.SizeofIfInfomsg, unix.IFLA_AF_SPEC), 0, unix.AF_INET6)
	if ip, ok := netip.AddrFromSlice(rtnl.Attr(inet6, 0, unix.IFLA_INET6_TOKEN)); ok && !ip.IsUnspecified() {
		return ip.String()
	}
	return ""
}
