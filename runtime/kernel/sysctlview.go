package kernel

import (
	"path"
	"slices"
	"strings"
)

// finer has the other name of a setting that is shown in two units, by the name in the coarser one: writing back what
// that one says would round the value.
var finer = map[string]string{"base_reachable_time": "base_reachable_time_ms", "gc_min_interval": "gc_min_interval_ms",
	"retrans_time": "retrans_time_ms", "unres_qlen": "unres_qlen_bytes"}

// SysctlFiner is the key that says exactly what a key is set to: another one when that is shown in two units, or else
// itself.
func SysctlFiner(key string) (string, error) {
	name, err := SysctlPath(key)
	if dir := strings.Split(name, "/"); err == nil && len(dir) > 3 &&
		slices.Contains([]string{"neigh", "route"}, dir[2]) {
		if other, ok := finer[path.Base(name)]; ok {
			return path.Dir(name) + "/" + other, nil
		}
	}
	return key, err
}

// SysctlOneWay says why a key that has a value cannot be given it back once it has another one. It is empty for those
// that can.
func SysctlOneWay(key, old, value string) string {
	name, _ := SysctlPath(key) // a wrong one has no value
	switch {
	case name == "net/netfilter/nf_hooks_lwtunnel" && old == "0" && value != old:
		return "once it is on it stays on, for the whole machine"
	case name == "net/ipv4/tcp_fastopen_key" && strings.Trim(old, "0-") == "":
		return "it has no key, and none cannot be set"
	}
	return ""
}
