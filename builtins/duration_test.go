package builtins

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// zeros are the parameters that are a duration, each with a script that gives it ZERO, and the error that this is.
// Attributes of the kernel's need none: see zeroAttrs.
var zeros = map[string]struct{ src, fails string }{
	"eventually.interval": {`
count = [0]
def third():
    count[0] += 1
    return assert.eq(count[0], 3)
eventually(third, interval = ZERO)
assert.eq(count[0], 3)`, ""},
	"eventually.timeout": {`
count = [0]
def never():
    count[0] += 1
    assert.true(False)
eventually(never, timeout = ZERO)`, "assert.true"},
	"ping.interval": {`
assert.eq(ping(netns("n"), "127.0.0.1", count = 1000, interval = ZERO).received, 1000)`, ""},
	"ping.timeout":  {`ping(netns("n"), "127.0.0.1", timeout = ZERO)`, "0 is no time to wait: want more"},
	"trace.timeout": {`trace(netns("n"), "127.0.0.1", timeout = ZERO)`, "0 is no time to wait: want more"},
	"pmtu.timeout":  {`pmtu(netns("n"), "127.0.0.1", timeout = ZERO)`, "0 is no time to wait: want more"},
	"arping.timeout": {`arping(veth(netns("n"))[0], "10.0.0.1", timeout = ZERO)`,
		"0 is no time to wait: want more"},
	"ndping.timeout": {`ndping(veth(netns("n"))[0], "fe80::1", timeout = ZERO)`,
		"0 is no time to wait: want more"},
	"sleep.duration":         {`assert.eq(sleep(ZERO), None)`, ""},
	"bridge.forward_delay":   {`assert.eq(bridge(netns("n"), forward_delay = ZERO).info.forward_delay, "0s")`, ""},
	"bridge.hello_time":      {`bridge(netns("n"), hello_time = ZERO)`, "numerical result out of range"},
	"bridge.max_age":         {`bridge(netns("n"), max_age = ZERO)`, "numerical result out of range"},
	"bridge.ageing_time":     {`assert.eq(bridge(netns("n"), ageing_time = ZERO).info.ageing_time, "0s")`, ""},
	"vxlan.ageing":           {`vxlan(netns("n"), id = 5, ageing = ZERO)`, "0s is less than 1s"},
	"link.set.forward_delay": {`assert.eq(bridge(netns("n")).set(forward_delay = ZERO).info.forward_delay, "0s")`, ""},
	"link.set.hello_time":    {`bridge(netns("n")).set(hello_time = ZERO)`, "numerical result out of range"},
	"link.set.max_age":       {`bridge(netns("n")).set(max_age = ZERO)`, "numerical result out of range"},
	"link.set.ageing_time":   {`assert.eq(bridge(netns("n")).set(ageing_time = ZERO).info.ageing_time, "0s")`, ""},
	"link.set.ageing":        {`vxlan(netns("n"), id = 5).set(ageing = ZERO)`, "0s is less than 1s"},
	"wg_peer.persistent_keepalive": {`wg_peer(veth(netns("n"))[0], "` + wgSecret + `", persistent_keepalive = ZERO)`,
		"link eth0 is a veth link: want one of WireGuard"},
	"spawn.timeout":          {`spawn(netns("n"), ["true"], timeout = ZERO)`, "0 is no time to wait: want more"},
	"spawn.grace":            {`assert.eq(spawn(netns("n"), ["sleep", "1000"], grace = ZERO).stop() > 128, True)`, ""},
	"process.wait.timeout":   {`spawn(netns("n"), ["true"]).wait(timeout = ZERO)`, "0 is no time to wait: want more"},
	"process.expect.timeout": {`spawn(netns("n"), ["true"]).expect("x", timeout = ZERO)`, "0 is no time to wait"},
	"process.write.timeout":  {`spawn(netns("n"), ["cat"]).write("x", timeout = ZERO)`, "0 is no time to wait"},
	"wait.timeout":           {`wait(lambda: True, timeout = ZERO)`, "0 is no time to wait"},
	"wait.every":             {`wait(lambda: True, every = ZERO)`, "0 is no time to wait"},
	"ready.timeout":          {`ready(netns("n"), timeout = ZERO)`, "0 is no time to wait"},
	"monitor.expect.timeout": {`monitor(netns("n")).expect("x", timeout = ZERO)`, "0 is no time to wait"},
	"expect.timeout":         {`expect(capture(netns("n").link("lo")), "", timeout = ZERO)`, "0 is no time to wait"},
	"expect_none.timeout":    {`expect_none(capture(netns("n").link("lo")), "udp", timeout = ZERO)`, ""},
	"send.interval": {
		`assert.eq(send(netns("n").link("lo"), packet(layer.ether(), "x"), count = 9, interval = ZERO), 9)`, ""},
	"parallel.timeout":     {`parallel([], timeout = ZERO)`, "0 is no time to wait"},
	"parallel_map.timeout": {`parallel_map(print, [], timeout = ZERO)`, "0 is no time to wait"},
	"at.after":             {`attempt(at, ZERO, fail, "at once")`, "at once"},
	"every.interval":       {`every(ZERO, print)`, "0 is no time to wait"},
	"throughput.time":      {`throughput(netns("n"), host, time = ZERO)`, "0 is no time to wait"},
	"throughput.interval":  {`throughput(netns("n"), host, interval = ZERO)`, "0 is no time to wait"},
	"ping_all.timeout":     {`ping_all([netns("n"), netns("m")], timeout = ZERO)`, "0 is no time to wait"},
	"http_get.timeout":     {`http_get(netns("n"), "http://127.0.0.1/", timeout = ZERO)`, "0 is no time to wait"},
	"dns.timeout":          {`dns(netns("n"), "x", "127.0.0.1", timeout = ZERO)`, "0 is no time to wait"},
	"latency.timeout":      {`latency(netns("n"), host, timeout = ZERO)`, "0 is no time to wait"},
	"latency.interval": {`n = netns("n")
assert.eq(latency(n, n.link("lo"), count = 20, interval = ZERO).count, 20)`, ""},
	"connect.timeout":         {`connect(netns("n"), "127.0.0.1", 80, timeout = ZERO)`, "0 is no time to wait"},
	"listener.accept.timeout": {`listen(netns("n"), 80).accept(timeout = ZERO)`, "0 is no time to wait"},
	"stream.recv.timeout":     {tcpPair + `c.recv(timeout = ZERO)`, "0 is no time to wait"},
	"stream.send.timeout":     {tcpPair + `c.send("x", timeout = ZERO)`, "0 is no time to wait"},
	"udp.recv.timeout":        {`udp(netns("n")).recv(timeout = ZERO)`, "0 is no time to wait"},
	"udp.send.timeout":        {`udp(netns("n")).send("x", "127.0.0.1", 9, timeout = ZERO)`, "0 is no time to wait"},
	"udp.send.interval": {`assert.eq(udp(netns("n")).send("x", "127.0.0.1", 9, count = 1000, interval = ZERO), 1000)`,
		""},
	"run.timeout": {`run(netns("n"), ["true"], timeout = ZERO)`, "0 is no time to wait: want more"},
}

// tcpPair makes a connection.
const tcpPair = "n = netns(\"n\")\nlisten(n, 80)\nc = connect(n, \"127.0.0.1\", 80)\n"

// TestZeroDurations gives each duration a zero: it means a zero or is refused, and never means the default.
func TestZeroDurations(t *testing.T) {
	before := nstest.Dump(t)
	all, attrs := map[string]bool{}, zeroAttrs(t)
	for _, d := range All().Decls {
		for _, p := range d.Params {
			if name := d.Name + "." + p.Name; p.Type == "duration" {
				all[name] = true
				if _, ok := zeros[name]; !ok && !attrs[p.Name] {
					t.Errorf("%s has no test of a zero", name)
				}
			}
		}
	}
	for name, c := range zeros {
		if !all[name] {
			t.Errorf("%s is no duration", name)
		}
		for _, zero := range []string{`"0s"`, `"0ms"`, "0"} {
			_, err := runScript(t, "zero.star", strings.ReplaceAll(c.src, "ZERO", zero))
			if c.fails == "" && err != nil || c.fails != "" && !strings.Contains(fmt.Sprint(err), c.fails) {
				t.Errorf("%s = %s: %v, want %q", name, zero, err, c.fails)
			}
		}
	}
	nstest.Same(t, before)
}

// zeroAttrs are the parameters that are an attribute of the kernel's and a time: a zero of it is sent as a zero, or
// refused before.
func zeroAttrs(t *testing.T) map[string]bool {
	args := []any{&routeArgs{}, &addrArgs{}, &shapeArgs{}}
	for _, k := range qdiscKinds {
		args = append(args, k.Args)
	}
	for _, k := range allKinds() {
		args = append(args, k.Args)
	}
	for _, k := range allEntries() {
		args = append(args, k.Args)
	}
	all := map[string]bool{}
	for _, a := range args {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(a).Elem()) {
			if f.Type.Kind() != reflect.Pointer {
				continue
			}
			attr, ok := reflect.New(f.Type.Elem()).Interface().(interface {
				kindAttr
				starlark.Unpacker
				ticks() int
			})
			if !ok {
				continue
			}
			name := strings.TrimSuffix(f.Tag.Get("arg"), "?")
			all[name] = true
			if attr.Unpack(starlark.String("0s")) == nil && strings.Trim(string(attr.encode()), "\x00") != "" {
				t.Errorf("%T.%s: a zero is sent as %x", a, name, attr.encode())
			}
		}
	}
	return all
}
