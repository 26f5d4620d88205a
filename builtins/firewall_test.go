package builtins

import (
	"net/netip"
	"testing"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestTerms has nft(8) read the text of each term, and compares what the kernel has then with what the messages make.
func TestTerms(t *testing.T) {
	if lacks("nft", "nftables") {
		t.Skip("there is no nft here")
	}
	p, end := netip.MustParsePrefix, netip.MustParseAddrPort
	addr := netip.MustParseAddr
	count, drop := kernel.Count(), kernel.Verdict("drop")
	for _, c := range []struct {
		chain string
		terms []kernel.Term
	}{
		{"srcnat", []kernel.Term{kernel.MatchLink("oifname", "eth0"), count, kernel.Masquerade()}},
		{"srcnat", []kernel.Term{kernel.MatchAddr("saddr", p("10.0.0.0/24")), count,
			kernel.NAT("snat", netip.AddrPortFrom(addr("192.0.2.1"), 0))}},
		{"srcnat", []kernel.Term{kernel.MatchAddr("saddr", p("fd00::/56")), kernel.MatchPort("udp", "sport", 53), count,
			kernel.NAT("snat", end("[2001:db8::1]:5000"))}},
		{"dstnat", []kernel.Term{kernel.MatchAddr("daddr", p("192.0.2.1/32")), kernel.MatchPort("tcp", "dport", 80),
			count, kernel.NAT("dnat", end("10.0.0.2:8080"))}},
		{"dstnat_out", []kernel.Term{kernel.MatchAddr("daddr", p("2001:db8::1/128")), count,
			kernel.NAT("dnat", netip.AddrPortFrom(addr("fd00::2"), 0))}},
		{"dstnat", []kernel.Term{kernel.MatchPort("sctp", "dport", 80), count, kernel.Redirect(8080)}},
		{"dstnat", []kernel.Term{kernel.MatchFamily(addr("::1")), kernel.MatchPort("tcp", "dport", 80), count,
			kernel.NAT("dnat", end("[fd00::2]:8080"))}},
		{"input", []kernel.Term{kernel.MatchAddr("saddr", p("172.16.0.0/12")), count, drop}},
		{"input", []kernel.Term{kernel.MatchAddr("saddr", p("fd00::/7")), count, drop}},
		{"input", []kernel.Term{kernel.MatchProto("icmp"), count, drop}},
		{"input", []kernel.Term{kernel.MatchState([]string{"established", "related"}), count,
			kernel.Verdict("accept")}},
		{"forward", []kernel.Term{kernel.MatchLink("iifname", "a.b"), kernel.MatchLink("oifname", "x"), count,
			kernel.Reject("")}},
		{"output", []kernel.Term{kernel.MatchAddr("daddr", p("10.7.0.0/17")), count,
			kernel.Reject("admin-prohibited")}},
		{"output", []kernel.Term{kernel.MatchProto("tcp"), count, kernel.Reject("tcp reset")}},
		{"mangle", []kernel.Term{kernel.MatchMark(77), count, kernel.SetMark(1 << 31)}},
		{"mangle_out", []kernel.Term{count, kernel.SetMark(7)}},
	} {
		n := kernel.OwnRule{Chain: c.chain, Name: "the name", Terms: c.terms}
		text, msgs := kernel.OwnRules([]kernel.OwnRule{n, n})
		m, err := kernel.Open()
		if err != nil {
			t.Fatal(err)
		}
		h := m.Host()
		var sums, texts []string
		for _, add := range []func() error{func() error { return h.ChangeRules(msgs, true) },
			func() error { return h.ApplyRules(text) }} {
			if err := add(); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			r, err := h.Ruleset()
			if err != nil {
				t.Error(err)
			}
			sums, texts = append(sums, r.Sum()), append(texts, ruleset(t))
			nstest.ClearNft(t)
		}
		if texts[0] != texts[1] {
			t.Errorf("%s: %s", text, nstest.Diff(texts[1], texts[0]))
		} else if sums[0] != sums[1] {
			t.Errorf("%s: the kernel has something else for it, which nft does not show", text)
		}
		m.Close()
	}
}
