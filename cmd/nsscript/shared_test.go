package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/nstest"
)

var scripts = flag.Int("scripts", 12, "how many scripts each process of TestShared runs")

const sharedWorld = `
link add pre0 type veth peer name pre1
link add pre2 type veth peer name pre3
link add prebr address 02:00:00:00:00:b0 type bridge
link add port0 type veth peer name port1
link set port0 master prebr
netns add shared
link set pre0 addrgenmode none up
link set pre1 addrgenmode none up
link set pre2 addrgenmode none up
link set pre3 addrgenmode none up
link set port0 addrgenmode none up
link set port1 addrgenmode none up
link set prebr addrgenmode none up
addr add 10.9.0.1/24 dev pre0
addr add fd09::1/64 dev pre0 nodad
addr add 10.8.0.1/24 dev pre2
route add 10.99.0.0/16 via 10.9.0.77
route add 10.98.0.0/16 via 10.8.0.77
`

// TestShared lets many processes run scripts that change the same things: each succeeds, or is refused at once with the
// name of who holds what it wanted, and when all have ended things are as they were.
func TestShared(t *testing.T) {
	batch := exec.Command("ip", "-batch", "-")
	batch.Stdin = strings.NewReader(strings.TrimSpace(sharedWorld) + "\n")
	if out, err := batch.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		for _, args := range [][]string{{"link", "del", "pre0"}, {"link", "del", "pre2"}, {"link", "del", "port0"},
			{"link", "del", "prebr"}, {"netns", "del", "shared"}} {
			nstest.TryIP(t, args...)
		}
	})
	settled := func() {
		nstest.Settled(t, []string{"pre0", "pre1", "pre2", "pre3", "port0", "port1", "prebr"}, []string{"fd09::1"})
	}
	settled()
	before := nstest.Dump(t)
	const processes, patience = 16, time.Minute
	var succeeded, refused atomic.Int64
	var wg sync.WaitGroup
	for me := range processes {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(me), 1))
			lab := fmt.Sprintf("w%d", me)
			for range *scripts {
				how := []string{"fail", "rm", "rm", "keep"}[r.IntN(4)]
				args := []string{"-q", "--lab", lab}
				if how == "rm" {
					args = append(args, "--rm")
				}
				args = append(args, "testdata/shared/shared.star", fmt.Sprint(me), how)
				for _, thing := range r.Perm(8)[:1+r.IntN(3)] {
					args = append(args, fmt.Sprint(thing))
				}
				start := time.Now()
				out, err := nsscript(args...).CombinedOutput()
				code := 0
				if exit := new(exec.ExitError); errors.As(err, &exit) {
					code = exit.ExitCode()
				}
				switch {
				case time.Since(start) > patience:
					t.Errorf("%v took %v", args, time.Since(start))
				case code == exitMachine && strings.Contains(string(out), " holds ") &&
					strings.Contains(string(out), "lab w"):
					refused.Add(1)
				case code == 0 && how != "fail",
					code == exitFailed && how == "fail" && strings.Contains(string(out), "on purpose"):
					succeeded.Add(1)
				default:
					t.Errorf("%v: exit code %d: %s", args, code, out)
				}
				if code == 0 && how == "keep" {
					if out, err := nsscript("down", "-q", lab).CombinedOutput(); err != nil {
						t.Errorf("down %s: %v: %s", lab, err, out)
					}
				}
			}
		})
	}
	wg.Wait()
	settled()
	nstest.Same(t, before)
	t.Logf("%d scripts succeeded, %d were refused", succeeded.Load(), refused.Load())
	if succeeded.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d succeeded, %d were refused: nobody met anybody", succeeded.Load(), refused.Load())
	}
}

// TestForget keeps a lab from being undone whole: that is said by every command, and what is left is held, until it can
// be undone or is given up.
func TestForget(t *testing.T) {
	nstest.IP(t, "link", "add", "pre0", "type", "veth", "peer", "name", "pre1")
	defer nstest.IP(t, "link", "del", "pre0")
	if out, code := outcome(t, nsscript("--rm", "-c", `netns("n1")`)); code != 0 { // makes /run/netns, which stays
		t.Fatal(out)
	}
	before := nstest.Dump(t)
	const change = `host.link("pre0").set(mtu = 1400)`
	expect := func(code int, want string, args ...string) {
		t.Helper()
		out, err := nsscript(args...).CombinedOutput()
		got := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			got = exit.ExitCode()
		}
		if got != code || !strings.Contains(string(out), want) {
			t.Errorf("%v: exit code %d, want %d and %q: %s", args, got, code, want, out)
		}
	}
	const path = "/run/netns/n1"
	cover := func() {
		t.Helper()
		expect(0, "is up", "--lab", "left", "-c", change+"\nnetns(\"n1\")")
		if err := syscall.Mount("/proc/self/ns/net", path, "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		expect(exitLeftover, "its name is another one's", "down", "left")
	}
	uncover := func() {
		t.Helper()
		if err := syscall.Unmount(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	cover()
	expect(exitLeftover, "its name is another one's", "recover")
	expect(0, "its name is another one's", "-c", "print(1)")
	expect(exitMachine, "lab left, which is dead, holds link pre0 in host: ip link set pre0 mtu 1400", "--lab",
		"other", "-c", change)
	expect(exitMachine, "recover --forget left", "--lab", "left", "-c", "print(1)")
	uncover()
	expect(0, "nothing left behind", "recover")
	nstest.Same(t, before)

	expect(0, "is up", "--lab", "left", "-c", change)
	expect(exitFailed, "it is up", "recover", "--forget", "left")
	expect(0, "nothing left behind", "down", "left")
	cover()
	expect(0, "lab left is forgotten", "recover", "--forget", "left")
	expect(0, "", "recover")
	uncover()
	nstest.IP(t, "netns", "del", "n1")
	nstest.Same(t, before)
}
