package builtins

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// An env is where acts find what they work on: the run's machine, and the world's two namespaces in it.
type env struct {
	m        *kernel.Machine
	in, away *kernel.Namespace
}

// An act makes an op for a world that has been built. What to do was drawn with the world; nil when the world has
// nothing to do it to.
type act func(e *env) change.Op

// acts draw an op of each kind. A kind of All's that is missing here fails the test.
var acts = map[string]func(w *madeWorld) act{
	"netns add": func(w *madeWorld) act {
		return func(e *env) change.Op { return &addNetns{Name: "n" + e.in.Name()} }
	},
	"netns del": func(w *madeWorld) act {
		return func(e *env) change.Op { return &delNetns{NS: e.away.Ref()} }
	},
	"link add": func(w *madeWorld) act {
		kind, name, mac := w.rand.IntN(len(linkKinds)), w.pick("new0", "m0", "b0"), w.maybe(2, "02:00:00:00:00:42")
		far, up, on := w.chance(3), w.chance(2), w.pick(w.links...)
		return func(e *env) change.Op {
			spec := e.spec(e.in, name, mac, up)
			var lower *kernel.LinkRef
			if l, err := e.in.Link(on); err == nil {
				lower = &l.LinkRef
			}
			op := allKinds()[kind].example(spec.LinkRef, lower)
			if op.Up = spec.Up; allKinds()[kind].hasMAC() {
				op.MAC = spec.MAC
			}
			if op.Paired() {
				b := e.in
				if far {
					b = e.away
				}
				peer := e.spec(b, "new1", "", false)
				op.Peer = &peer
			}
			return op
		}
	},
	"link set type": func(w *madeWorld) act {
		name, pick, by := w.pick(w.links...), w.rand.IntN(1000), w.rand.IntN(4)
		return onLink(name, func(e *env, l kernel.LinkRef) change.Op {
			at, err := e.m.Read(l)
			if err != nil {
				return nil
			}
			ops := slices.Concat(wordChanges(linkKinds[at.Kind], at, by), wordChanges(portKinds[at.MasterKind], at, by))
			if len(ops) == 0 {
				return nil
			}
			return ops[pick%len(ops)]
		})
	},
	"link set offloads": func(w *madeWorld) act {
		word, on := w.pick("tso", "gso", "gro", "tx", "sg"), w.chance(2)
		return onLink(w.pick(w.links...), func(e *env, l kernel.LinkRef) change.Op {
			op, err := offloadsArg{{word, on}}.set(e.m, l)
			if err != nil {
				return nil
			}
			return op
		})
	},
	"link del": func(w *madeWorld) act {
		name := w.pick(w.links...)
		return onLink(name, func(e *env, l kernel.LinkRef) change.Op { return &delLink{Link: l} })
	},
	"link set": func(w *madeWorld) act {
		name, attr := w.pick(w.links...),
			w.pick("up", "up", "mtu", "mtu", "mac", "name", "alias", "txqlen", "group", "master", "master")
		value := map[string]string{"up": w.pick("on", "off", "off"),
			"mtu":  w.pick("68", "1279", "1280", "1500", "5000", "9000"),
			"mac":  w.pick("02:00:00:00:00:42", "02:00:00:00:02:01", "01:00:00:00:00:00"),
			"name": w.pick("renamed", "s0"), "alias": w.pick("", "x", "an alias"), "txqlen": w.pick("0", "17"),
			"group": w.pick("0", "5"), "master": w.pick("", "b0", "b0")}[attr]
		return onLink(name, func(e *env, l kernel.LinkRef) change.Op {
			if attr == "master" {
				index := 0
				if br, err := e.in.Link(value); err == nil {
					index = br.Index
				}
				return &setLink{Link: l, Attr: attr, Value: itoa(index)}
			}
			return &setLink{Link: l, Attr: attr, Value: value}
		})
	},
	"link set netns": func(w *madeWorld) act {
		name, back, as := w.pick(w.links...), w.chance(4), w.pick("", "", "renamed", "x0", "m1")
		return onLink(name, func(e *env, l kernel.LinkRef) change.Op {
			to := e.away
			if back {
				to = e.in
			}
			return &moveLink{From: l, To: kernel.LinkRef{NS: to.Ref(), Name: as}}
		})
	},
	"addr add": func(w *madeWorld) act {
		a := addrOf(w.pick(w.links...),
			w.pick("10.1.0.7/24", "10.1.0.8/24", "10.8.0.1/24", "10.1.0.9/32", "fd01::7/64", "fd08::8/64",
				"fd01::1/128"), "")
		if w.chance(5) {
			a = addrOf(a.Link.Name, "10.3.0.1/32", w.pick("10.3.0.9/32", "10.3.0.0/24"))
		}
		return onLink(a.Link.Name, func(e *env, l kernel.LinkRef) change.Op {
			a.Link = l
			return &addAddr{Addr: a}
		})
	},
	"addr del": func(w *madeWorld) act {
		if len(w.addrs) == 0 {
			w.addrs = append(w.addrs, addrOf(w.links[0], "10.1.0.1/24", ""))
		}
		a := w.addrs[w.rand.IntN(len(w.addrs))]
		return onLink(a.Link.Name, func(e *env, l kernel.LinkRef) change.Op {
			a.Link = l
			return &delAddr{Addr: a}
		})
	},
	"route add": func(w *madeWorld) act {
		r := w.route()
		return func(e *env) change.Op { return e.put(kernel.AddRoute, r) }
	},
	"route append": func(w *madeWorld) act {
		r := w.route()
		return func(e *env) change.Op { return e.put(kernel.AppendRoute, r) }
	},
	"route replace": func(w *madeWorld) act {
		r := w.routeThere()
		r.Type, r.Nexthops, r.Src = w.pick("unreachable", "prohibit"), nil, netip.Addr{}
		return func(e *env) change.Op { return e.put(kernel.ReplaceRoute, r) }
	},
	"route del": func(w *madeWorld) act {
		r := w.routeThere()
		return func(e *env) change.Op { return &delRoute{routeChange{Route: e.route(r)}} }
	},
	"rule add": func(w *madeWorld) act {
		src, table, priority := w.pick("10.80.0.0/16", "10.81.0.0/16", "10.80.1.0/24", "fd80::/64"),
			w.pick("7", "8", "1000"), w.pick("500", "500", "501")
		return func(e *env) change.Op {
			return &addEntry{Entry: ruleOf(e.in.Ref(), src, uint32(atoi(table)), uint32(atoi(priority)))}
		}
	},
	"rule del": func(w *madeWorld) act {
		src, table, priority := w.pick("10.80.0.0/16", "10.81.0.0/16", "fd80::/64"), w.pick("7", "8"),
			w.pick("500", "500", "501")
		for range 1 + w.rand.IntN(4) {
			w.in("%srule add from %s table %s priority 500", map[bool]string{true: "-6 "}[strings.Contains(src, ":")],
				w.pick(src, "10.81.0.0/16", "10.80.1.0/24", "all"), w.pick("7", "8"))
		}
		return func(e *env) change.Op {
			return &delEntry{Entry: ruleOf(e.in.Ref(), src, uint32(atoi(table)), uint32(atoi(priority)))}
		}
	},
	"neigh add": func(w *madeWorld) act {
		ip := w.pick("10.1.0.200", "10.1.0.202", "fd01::200", "fd01::202")
		return onLink(w.pick(w.links...), func(e *env, l kernel.LinkRef) change.Op {
			return &addEntry{Entry: neighOf(l, ip)}
		})
	},
	"neigh del": func(w *madeWorld) act {
		link, ip := w.pick(w.links...), w.pick("10.1.0.200", "10.1.0.201", "fd01::200")
		w.in("neigh replace %s lladdr 02:00:00:00:01:77 dev %s nud %s", ip, link, w.pick("permanent", "noarp"))
		return onLink(link, func(e *env, l kernel.LinkRef) change.Op { return &delEntry{Entry: neighOf(l, ip)} })
	},
	"wg_peer add": func(w *madeWorld) act {
		return onLink(w.pick(w.links...), func(e *env, l kernel.LinkRef) change.Op {
			if at, err := e.m.Read(l); err != nil || at.Kind != wireguardKind.Name {
				return nil
			}
			return &addEntry{Entry: wgPeerOf(l)}
		})
	},
	"wg_peer del": func(w *madeWorld) act {
		return onLink(w.pick(w.links...), func(e *env, l kernel.LinkRef) change.Op {
			if at, err := e.m.Read(l); err != nil || at.Kind != wireguardKind.Name {
				return nil
			}
			return &delEntry{Entry: wgPeerOf(l)}
		})
	},
	"wg_peer set": func(w *madeWorld) act {
		return onLink(w.pick(w.links...), func(e *env, l kernel.LinkRef) change.Op {
			if at, err := e.m.Read(l); err != nil || at.Kind != wireguardKind.Name {
				return nil
			}
			return &setEntry{Entry: wgPeerSet(wgPeerOf(l))}
		})
	},
	"mroute add": func(w *madeWorld) act {
		return onLink(w.pick(w.links...), func(e *env, l kernel.LinkRef) change.Op {
			return &addEntry{Entry: mrouteOf(l, l)}
		})
	},
	"mroute del": func(w *madeWorld) act {
		return onLink(w.pick(w.links...), func(e *env, l kernel.LinkRef) change.Op {
			return &delEntry{Entry: mrouteOf(l, l)}
		})
	},
	"mptcp_limits set": func(w *madeWorld) act {
		subflows := w.rand.IntN(8)
		return func(e *env) change.Op { return unlacked(&setEntry{Entry: mptcpLimitsOf(e.in.Ref(), subflows)}) }
	},
	"xfrm_policy add": func(w *madeWorld) act {
		src := w.pick("10.80.0.0/16", "10.81.0.0/16", "fd80::/64")
		return func(e *env) change.Op { return &addEntry{Entry: xfrmPolicyOf(e.in.Ref(), src)} }
	},
	"xfrm_policy del": func(w *madeWorld) act {
		src := w.pick("10.80.0.0/16", "fd80::/64")
		w.in("xfrm policy add src %s dir out priority %s tmpl src 10.1.0.1 dst 10.1.0.2 proto esp", src,
			w.pick("7", "8"))
		return func(e *env) change.Op { return &delEntry{Entry: xfrmPolicyOf(e.in.Ref(), src)} }
	},
	"xfrm_state add": func(w *madeWorld) act {
		return func(e *env) change.Op { return unlacked(&addEntry{Entry: xfrmStateOf(e.in.Ref(), 256)}) }
	},
	"xfrm_state del": func(w *madeWorld) act {
		return func(e *env) change.Op { return unlacked(&delEntry{Entry: xfrmStateOf(e.in.Ref(), 256)}) }
	},
	"tc_class set": func(w *madeWorld) act {
		name := w.pick(w.links...)
		w.parts = append(w.parts, part{"sh", "tc qdisc add dev " + name + " root handle 77: htb; " +
			"tc class add dev " + name + " parent 77: classid 77:10 htb rate 1mbit"})
		return onLink(name, func(e *env, l kernel.LinkRef) change.Op {
			op := classOf(l)
			if found, err := e.m.FindEntry(op.Entry); err != nil || found == nil {
				return nil
			}
			return op
		})
	},
	"qdisc set": func(w *madeWorld) act {
		name := w.pick(w.links...)
		w.parts = append(w.parts, part{"sh", "tc qdisc add dev " + name +
			" root handle 77: tbf rate 2mbit burst 10kb limit 10kb"})
		return onLink(name, func(e *env, l kernel.LinkRef) change.Op {
			example := tbfQdisc.example(l)
			if found, err := e.m.FindEntry(example); err != nil || found == nil {
				return nil
			}
			return &setOptions{Entry: example}
		})
	},
	"nft": func(w *madeWorld) act {
		w.parts = append(w.parts, part{"sh", "nft '" + w.pick(lawRuleset, "table ip kept", "flush ruleset") + "'"})
		text := w.pick("flush ruleset", "table ip new { chain c { type filter hook input priority 0; }; }",
			"add chain ip kept new", lawRules)
		return func(e *env) change.Op { return unlacked(&changeRules{NS: e.in.Ref(), Text: text}) }
	},
	"cgroup add": func(w *madeWorld) act {
		return func(e *env) change.Op {
			path, err := e.m.FreeCgroup()
			if err != nil {
				return nil // there are none here
			}
			return &addCgroup{Path: path}
		}
	},
	"process start": func(w *madeWorld) act {
		return func(e *env) change.Op { return sleeper(e.m, e.in) }
	},
	"file add": func(w *madeWorld) act {
		path := w.pick("/etc/hosts", "/etc/not/there")
		return func(e *env) change.Op { return &addFile{fileOf(e.m, e.in, path)} }
	},
	// These are of a file that the run has added, and so of no world: see file.star.
	"file set": func(*madeWorld) act {
		return func(*env) change.Op { return nil }
	},
	"file del": func(*madeWorld) act {
		return func(*env) change.Op { return nil }
	},
	// A connection is never brought back, which is a loss that is named before.
	"conntrack del": func(*madeWorld) act {
		return func(*env) change.Op { return nil }
	},
	"pid namespace": func(w *madeWorld) act {
		return func(*env) change.Op { return &addPIDs{Name: "any"} }
	},
	"sysctl": func(w *madeWorld) act {
		s := w.setting(w.pick(w.pick(w.links...), "all", "all", "default", "lo"))
		if w.chance(4) {
			s = [2]string{"net.ipv4.ip_forward", w.pick("0", "1")}
		}
		return func(e *env) change.Op { return &setSysctl{NS: e.in.Ref(), Key: s[0], Value: s[1]} }
	},
}

func init() {
	for _, c := range entryCases {
		if c.table == "fdb" { // there is no vxlan in a world, and a bridge's has no other end
			c.attrs = map[int][]byte{unix.NDA_LLADDR: c.attrs[unix.NDA_LLADDR]}
		}
		world := func(w *madeWorld, commands string) string {
			l := w.pick(w.links...)
			w.parts = append(w.parts, part{"sh", strings.ReplaceAll(commands, "LINK", l)})
			return l
		}
		acts[c.table+" add"] = func(w *madeWorld) act {
			return onLink(world(w, w.maybe(2, c.needs)), func(e *env, l kernel.LinkRef) change.Op {
				return &addEntry{Entry: c.mastered(e, c.entry(l))}
			})
		}
		acts[c.table+" del"] = func(w *madeWorld) act {
			return onLink(world(w, c.needs+"\n"+c.has), func(e *env, l kernel.LinkRef) change.Op {
				return &delEntry{Entry: c.mastered(e, c.entry(l))}
			})
		}
	}
}

// mastered is an entry of a group with the bridge that it is in.
func (c entryCase) mastered(e *env, entry kernel.Entry) kernel.Entry {
	if c.table == "mdb" {
		if l, err := e.m.Read(*entry.Link); err == nil && l.Master != 0 {
			copy(entry.Msg[4:], encodeNumber[width32](l.Master))
			if br, err := e.m.Beside(l, l.Master); err == nil {
				entry.Master = br.Name
			}
		}
	}
	return entry
}

func onLink(name string, make func(e *env, l kernel.LinkRef) change.Op) act {
	return func(e *env) change.Op {
		for _, n := range []*kernel.Namespace{e.in, e.away} {
			if l, err := n.Link(name); err == nil {
				return make(e, l.LinkRef)
			}
		}
		return nil
	}
}

func (e *env) spec(n *kernel.Namespace, name, mac string, up bool) kernel.LinkSpec {
	index, err := n.FreeIndex()
	if err != nil {
		panic(err)
	}
	return kernel.LinkSpec{LinkRef: kernel.LinkRef{NS: n.Ref(), Index: index, Name: name}, MAC: mac, Up: up}
}

func addrOf(link, prefix, peer string) kernel.Addr {
	a := kernel.Addr{Link: kernel.LinkRef{Name: link}, Prefix: netip.MustParsePrefix(prefix)}
	if peer != "" {
		a.Peer = netip.MustParsePrefix(peer)
	}
	return a
}

// route is a route to places that the world has routes to and to others. Its links have names only.
func (w *madeWorld) route() kernel.RouteSpec {
	r := kernel.RouteSpec{Dst: netip.MustParsePrefix(w.pick("10.50.0.0/24", "10.51.0.0/16", "0.0.0.0/0",
		"10.90.0.0/16", "10.91.0.1/32"))}
	via := []string{"10.1.0.200", "10.1.0.201"}
	if w.chance(2) {
		r.Dst, via = netip.MustParsePrefix(w.pick("fd50::/64", "fd51::/48", "::/0", "fd90::/64")),
			[]string{"fd01::200", "fd01::201"}
	}
	if w.chance(3) {
		r.Metric = 5
	}
	if w.chance(4) {
		r.Table = 100
	}
	dev := &kernel.LinkRef{Name: w.links[0]}
	switch w.rand.IntN(5) {
	case 0:
		r.Type = "blackhole"
	case 1:
		r.Nexthops = []kernel.Nexthop{{Dev: dev}}
	case 2:
		for _, v := range via {
			r.Nexthops = append(r.Nexthops, kernel.Nexthop{Via: netip.MustParseAddr(v), Dev: dev})
		}
	default:
		r.Nexthops = []kernel.Nexthop{{Via: netip.MustParseAddr(via[0])}}
	}
	if w.chance(4) && r.Dst.Addr().Is4() {
		r.Src = netip.MustParseAddr(fmt.Sprintf("10.1.0.%d", 1+w.rand.IntN(9)))
	}
	if w.chance(4) {
		mtu := kernel.AppendAttr(nil, unix.RTAX_MTU, encodeNumber[width32](1400))
		r.Attrs = kernel.AppendAttr(nil, unix.RTA_METRICS, mtu)
	}
	return r
}

// routeThere is a route that the world has, as if the run had added it, unless there is no way to its gateway.
func (w *madeWorld) routeThere() kernel.RouteSpec {
	r := w.route()
	if w.chance(2) {
		r.Type, r.Nexthops, r.Src = "blackhole", nil, netip.Addr{}
	}
	w.in("%s", addedRoute(r))
	return r
}

// addedRoute are the words of ip-route(8) that add a route as nsscript does.
func addedRoute(r kernel.RouteSpec) string {
	words := []string{"route add", r.Type, r.Dst.String(), "proto 94"}
	if r.Metric > 0 {
		words = append(words, "metric", itoa(int(r.Metric)))
	}
	if r.Table > 0 {
		words = append(words, "table", itoa(int(r.Table)))
	}
	if r.Src.IsValid() {
		words = append(words, "src", r.Src.String())
	}
	if r.Attrs != nil {
		words = append(words, "mtu 1400")
	}
	for _, h := range r.Nexthops {
		if len(r.Nexthops) > 1 {
			words = append(words, "nexthop")
		}
		if h.Via.IsValid() {
			words = append(words, "via", h.Via.String())
		}
		if h.Dev != nil {
			words = append(words, "dev", h.Dev.Name)
		}
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

func (e *env) put(verb string, r kernel.RouteSpec) change.Op {
	return &putRoute{routeChange{Route: e.route(r)}, verb}
}

// route is the route in the world, over its links as they are there.
func (e *env) route(r kernel.RouteSpec) kernel.Route {
	r.Nexthops = slices.Clone(r.Nexthops)
	for i, hop := range r.Nexthops {
		if hop.Dev != nil {
			if l, err := e.in.Link(hop.Dev.Name); err == nil {
				r.Nexthops[i].Dev = &l.LinkRef
			}
		}
	}
	return routeIn(e.in, r)
}

// routeIn is the route of a namespace.
func routeIn(n *kernel.Namespace, s kernel.RouteSpec) kernel.Route {
	r, err := n.Route(s)
	if err != nil {
		panic(err)
	}
	return r
}

// unlacked is an op, nil where this kernel does not have what it is about.
func unlacked(op change.Op) change.Op {
	if lacked(op) {
		return nil
	}
	return op
}
