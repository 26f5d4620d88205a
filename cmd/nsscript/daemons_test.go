package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/nstest"
)

var daemonKills = flag.Int("daemonkills", 10, "how often TestDaemonsKilled kills a run")

// daemons is a scenario with six of them: each is of another kind.
const daemons = `
print("begun")
lan = bridge(netns("lan"))
a, b = [netns(name) for name in ["a", "b"]]
for i, n in enumerate([a, b]):
    port, inside = veth(lan.ns, n, addrs = [None, "10.0.0.%d/24" % (i + 1)])
    port.set(master = lan)
def sh(ns, name, text, **kwargs):
    return spawn(ns, ["sh", "-c", text], name = name, ready = "line:up", **kwargs)
spawn(a, ["socat", "TCP-LISTEN:80,fork", "PIPE"], name = "server", ready = "tcp:80")
sh(a, "deaf", "trap '' TERM INT; echo up; while :; do sleep 100; done", grace = "10ms")
sh(b, "children", "setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) & echo up; wait; exec sleep 1000")
sh(b, "loud", "while :; do echo up; done")
sh(b, "again", "echo up", restart = True, may_exit = True)
sh(host, "here", "echo up; exec sleep 1000")
ping(a, "10.0.0.2")
`

// TestDaemonsKilled kills a run with six daemons at random times once its script has begun, and so its watcher is
// there: nothing of it is left, and that soon.
func TestDaemonsKilled(t *testing.T) {
	before := nstest.Dump(t)
	names := []string{"socat", "sleep", "sh"}
	running := func() (n int) {
		for _, name := range names {
			n += nstest.Running(name)
		}
		return n
	}
	others := running()
	args := []string{"--rm", "--lab", "killed", "-c", daemons}
	var said bytes.Buffer
	begin := func() *exec.Cmd {
		cmd := nsscript(args...)
		said.Reset()
		cmd.Stderr = &said
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatalf("%q, %v: %s", line, err, &said)
		}
		return cmd
	}
	cmd := begin()
	began := time.Now()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	whole := time.Since(began)
	var longest time.Duration
	most := 0
	for range *daemonKills {
		cmd := begin()
		after := rand.N(whole)
		time.Sleep(after) // a random moment is what it is about
		most = max(most, running()-others)
		killed := time.Now()
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed, or had ended; its output ends with its watcher's
		orphans(t)
		longest = max(longest, time.Since(killed))
		left, err := filepath.Glob("/run/nsscript/*")
		services, err2 := filepath.Glob("/run/nsscript/.process-*")
		if n := running() - others; n > 0 || len(left)+len(services) > 0 || err != nil || err2 != nil {
			t.Errorf("killed after %s: %d processes, %q, %q are left: %s", after, n, left, services, &said)
		}
		nstest.Same(t, before)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d kills within %s, up to %d processes; all was gone after %s at most", *daemonKills, whole, most, longest)
	if most == 0 {
		t.Error("it was killed before anything was running, each time")
	}
}
