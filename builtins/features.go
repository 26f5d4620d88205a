package builtins

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/probe"
)

// features are what a machine may lack. Each is probed in a namespace without a name, which ends with the probe.
func features() []*runtime.Feature {
	all := []*runtime.Feature{
		{Name: "netns", Doc: "network namespaces that can be made (network_namespaces(7))",
			Remedy: "run it as root, or in a sandbox: `nsscript doctor` says what a sandbox lacks",
			Probe:  inside(func(*kernel.Machine, kernel.NSRef) error { return nil })},
		{Name: "ipv6", Doc: "IPv6", Remedy: "boot without ipv6.disable=1, and a kernel with it (CONFIG_IPV6)",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				return m.AddAddr(kernel.Addr{Link: loOf(ns), Prefix: netip.MustParsePrefix("fd00::1/64")})
			})},
		{Name: "icmp", Doc: "ICMP sockets, which ping() sends from", Remedy: "run it as root, or in a sandbox",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				if err := m.SetLink(loOf(ns), "up", "on"); err != nil {
					return err
				}
				return pingOnce(m, ns)
			})},
		captureFeature(),
		{Name: "routing-tables", Doc: "more than one routing table (ip-rule(8))",
			Remedy: "a kernel with CONFIG_IP_MULTIPLE_TABLES",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				n, err := m.Namespace(ns)
				if err != nil {
					return err
				}
				r, err := n.Route(kernel.RouteSpec{Dst: netip.MustParsePrefix("192.0.2.0/24"), Type: "blackhole",
					Table: 100})
				if err != nil {
					return err
				}
				return m.PutRoute(kernel.AddRoute, r)
			})},
		{Name: "sock-diag", Doc: "lists of sockets (sock_diag(7))", Optional: true,
			Remedy: "modprobe tcp_diag, a kernel with it (CONFIG_INET_DIAG), or --kernel debian",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				n, err := m.Namespace(ns)
				if err == nil {
					_, err = n.Sockets()
				}
				return err
			})},
		{Name: "mptcp", Doc: "MPTCP (ip-mptcp(8))", Optional: true,
			Remedy: "sysctl net.mptcp.enabled=1, a kernel with it (CONFIG_MPTCP), or --kernel debian",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				n, err := m.Namespace(ns)
				if err == nil {
					_, err = n.Entries("mptcp_endpoint", nil)
				}
				return err
			})},
		{Name: "xfrm-policy", Doc: "policies of IPsec (ip-xfrm(8))", Optional: true,
			Remedy: "modprobe xfrm_user, a kernel with it (CONFIG_XFRM_USER), or --kernel debian",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				a := &xfrmPolicyArgs{Dir: "out"}
				return m.AddEntry(newEntry(kernel.Entry{NS: ns}, a, a.finish))
			})},
		{Name: "ipsec", Doc: "states of IPsec that encrypt (ip-xfrm(8))", Optional: true,
			Remedy: "modprobe esp4, a kernel with it (CONFIG_INET_ESP, CONFIG_CRYPTO_GCM), or --kernel debian",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				a := xfrmExample()
				return m.AddEntry(newEntry(kernel.Entry{NS: ns}, a, a.finish))
			})},
		{Name: "nft", Doc: "rules of nftables, by the program nft (nft(8))", Optional: true,
			Remedy: "apt-get install nftables, modprobe nf_tables, or a kernel with it (CONFIG_NF_TABLES_INET)",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				n, err := m.Namespace(ns)
				if err == nil {
					err = n.ApplyRules("table inet probe { chain c { type filter hook input priority 0; counter; }; }")
				}
				return err
			})},
		{Name: "nftables", Doc: "NAT and filters (nf_tables)", Optional: true, Remedy: kernel.NoRules,
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				n, err := m.Namespace(ns)
				if err != nil {
					return err
				}
				_, msgs := kernel.OwnRules([]kernel.OwnRule{{Chain: "srcnat", Name: "probe",
					Terms: []kernel.Term{kernel.MatchState([]string{"new"}), kernel.Count(), kernel.Masquerade()}}})
				return n.ChangeRules(msgs, true)
			})},
		{Name: "conntrack", Doc: "tracking of connections (conntrack(8))", Optional: true,
			Remedy: "modprobe nf_conntrack_netlink, a kernel with it (CONFIG_NF_CT_NETLINK), or --kernel debian",
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
				n, err := m.Namespace(ns)
				if err == nil {
					_, err = n.Connections()
				}
				return err
			})},
		{Name: "run", Doc: "commands in namespaces, which all end with the run",
			Remedy: "mount cgroup2 writable, or allow PID namespaces (CONFIG_PID_NS)",
			Probe: func(m *kernel.Machine) error {
				if _, err := m.FreeCgroup(); !errors.Is(err, proc.ErrNoCgroups) {
					return err
				}
				if m.FreePIDs() == "" {
					return proc.ErrNoCgroups
				}
				return runsInPIDs(m)
			}},
		{Name: "spawn", Doc: "processes that run beside a script, and end with the run",
			Remedy: "allow PID namespaces (CONFIG_PID_NS)",
			Probe: func(m *kernel.Machine) error {
				if m.FreePIDs() == "" {
					return proc.ErrNoSupervisor
				}
				return runsInPIDs(m)
			}},
	}
	all = append(all, &runtime.Feature{Name: "run-vrf", Optional: true, Remedy: bindingRemedy,
		Doc:   "commands whose sockets are bound to a link (vrf= of run)",
		Probe: func(m *kernel.Machine) error { return m.BindsSockets() }})
	for _, f := range []struct{ name, doc, module, config, ip string }{
		{"bridge_vlan", "vlans of bridges (bridge-vlan(8))", "", "BRIDGE_VLAN_FILTERING", "vlan_filtering"},
		{"bridge_netfilter", "packets of bridges in the rules of IP", "br_netfilter", "BRIDGE_NETFILTER",
			"nf_call_iptables"},
	} {
		remedy := "a kernel with it (CONFIG_" + f.config + "), or --kernel debian"
		if f.module != "" {
			remedy = "modprobe " + f.module + ", " + remedy
		}
		all = append(all, &runtime.Feature{Name: f.name, Doc: f.doc, Optional: true, Remedy: remedy,
			Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error { return takesWord(m, ns, "bridge", f.ip) })})
	}
	all = append(all, routeFeature("mpls", "MPLS labels in front of packets (encap.mpls)",
		"modprobe mpls_iptunnel, a kernel with it (CONFIG_MPLS_IPTUNNEL), or --kernel debian",
		"192.0.2.0/24", "mpls", &encapMPLS{Labels: labelsArg{16}}),
		routeFeature("seg6", "SRv6 (encap.seg6)", "a kernel with it (CONFIG_IPV6_SEG6_LWTUNNEL), or --kernel debian",
			"2001:db8::/64", "seg6local", &encapSeg6Local{Action: "End"}))
	for _, k := range allKinds() {
		all = append(all, k.feature())
	}
	return append(all, tcFeatures()...)
}

// routeFeature is what a route can put around packets.
func routeFeature(name, doc, remedy, dst, word string, args any) *runtime.Feature {
	return &runtime.Feature{Name: name, Doc: doc, Remedy: remedy, Optional: true,
		Probe: inside(func(m *kernel.Machine, ns kernel.NSRef) error {
			n, err := m.Namespace(ns)
			if err != nil {
				return err
			}
			e, err := newEncap(word, args)
			if err != nil {
				return err
			}
			lo := loOf(n.Ref())
			r, err := n.Route(kernel.RouteSpec{Dst: netip.MustParsePrefix(dst),
				Nexthops: []kernel.Nexthop{{Dev: &lo, Attrs: kernel.EncapAttrs(e.of, e.nest)}}})
			if err != nil {
				return err
			}
			return errors.Join(m.SetLink(lo, "up", "on"), m.PutRoute(kernel.AddRoute, r))
		})}
}

// inside makes a probe of what is to be done in a namespace that nobody else sees.
func inside(try func(m *kernel.Machine, ns kernel.NSRef) error) func(*kernel.Machine) error {
	return func(m *kernel.Machine) error {
		n, err := m.Make("probe", false)
		if err != nil {
			return err
		}
		defer n.Forget()
		return try(m, n.Ref())
	}
}

// takesWord is an error when a new link of the kind has no such attribute, or cannot be given the one that it has.
func takesWord(m *kernel.Machine, ns kernel.NSRef, kind, word string) error {
	k := linkKinds[kind]
	op := k.example(kernel.LinkRef{NS: ns, Index: 2, Name: "probe"}, nil)
	if err := m.AddLink(op.LinkSpec); err != nil {
		return err
	}
	l, err := m.Read(op.LinkRef)
	if err != nil {
		return err
	}
	w := k.word(word)
	now := w.read(l.Info)
	if now == nil {
		return unix.EOPNOTSUPP
	}
	return m.SetInfo(op.LinkRef, kind, w.message(now.encode()))
}

func loOf(ns kernel.NSRef) kernel.LinkRef { return kernel.LinkRef{NS: ns, Index: 1, Name: "lo"} }

// pingOnce pings a namespace's own loopback address.
func pingOnce(m *kernel.Machine, ns kernel.NSRef) error {
	n, err := m.Namespace(ns)
	if err != nil {
		return err
	}
	res, err := probe.Ping{Dst: netip.MustParseAddr("127.0.0.1"), Count: 1,
		Timeout: time.Second}.Run(context.Background(), n.Do)
	if err == nil && res.Received != 1 {
		err = unix.ETIMEDOUT
	}
	return err
}

// runsInPIDs runs a command in a PID namespace of its own.
func runsInPIDs(m *kernel.Machine) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	st, err := m.Host().Run(ctx, exec.Command("true"), proc.Procs{PIDs: m.FreePIDs()}, nil)
	if err == nil && st != 0 {
		err = unix.EIO
	}
	return err
}
