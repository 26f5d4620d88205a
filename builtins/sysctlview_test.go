package builtins

import (
	"os"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// twoViews are settings that are shown in two units: both are as they were.
var twoViews = []struct{ name, world, key, value string }{
	{"seconds", "net/ipv4/neigh/m0/base_reachable_time_ms=12340", "net.ipv4.neigh.m0.base_reachable_time", "30"},
	{"seconds that they were", "net/ipv4/neigh/m0/base_reachable_time_ms=12340",
		"net.ipv4.neigh.m0.base_reachable_time", "12"},
	{"milliseconds", "net/ipv6/neigh/m0/base_reachable_time_ms=12340",
		"net.ipv6.neigh.m0.base_reachable_time_ms", "777000"},
	{"ticks", "net/ipv6/neigh/m0/retrans_time_ms=1240", "net.ipv6.neigh.m0.retrans_time", "7"},
	{"packets", "", "net.ipv4.neigh.m0.unres_qlen", "50"},
	{"bytes", "", "net.ipv4.neigh.m0.unres_qlen_bytes", "50000"},
}

func TestTwoViews(t *testing.T) {
	for _, v := range twoViews {
		t.Run(v.name, func(t *testing.T) { regress(t, pair+v.world, []act{writing(v.key, v.value)}, false) })
	}
	nstest.IP(t, "netns", "add", "views")
	defer nstest.IP(t, "netns", "del", "views")
	const key = "net.ipv6.route.gc_min_interval"
	if _, err := os.Stat("/proc/sys/net/ipv6/route/gc_min_interval"); err != nil {
		t.Logf("an ordinary user's namespaces have no %s", key)
		return
	}
	shell(t, "ip netns exec views sysctl -qw "+key+"_ms=1240")
	if _, err := runScript(t, "x.star", `sysctl(netns_at(name = "views"), "`+key+`", 3)`); err != nil {
		t.Error(err)
	}
	if got := shell(t, "ip netns exec views sysctl -n "+key+"_ms"); got != "1240\n" {
		t.Errorf("%s_ms is %s, was 1240", key, got)
	}
}

// TestOneWay sets what cannot be set back: that is refused.
func TestOneWay(t *testing.T) {
	for key, value := range map[string]string{"net.netfilter.nf_hooks_lwtunnel": "1",
		"net.ipv4.tcp_fastopen_key": "00000001-00000002-00000003-00000004"} {
		if _, err := os.Stat("/proc/sys/" + strings.ReplaceAll(key, ".", "/")); err != nil {
			t.Logf("this kernel has no %s", key)
			continue
		}
		_, err := runScript(t, "x.star", `sysctl(host, "`+key+`", "`+value+`")`)
		if want := "would not bring back the value of sysctl " + key; err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", key, err, want)
		}
	}
}
