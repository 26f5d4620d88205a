package kernel

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSpares has spares made, and given up: what was asked for is what one gets, and no descriptor stays open.
func TestSpares(t *testing.T) {
	before := openNamespaces(t)
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	defer func(d time.Duration) { spareFor = d }(spareFor)
	spareFor = time.Minute
	seen := map[uint64]bool{}
	make1 := func(lo, wantSpare bool) {
		t.Helper()
		n, err := m.Make("n"+strconv.Itoa(len(seen)), lo)
		if err != nil {
			t.Fatal(err)
		}
		l, err := n.linkByIndex(loopback)
		if err != nil || l.Up != lo {
			t.Errorf("lo is up: %v, %v", l.Up, err)
		}
		if seen[n.ref.Cookie] {
			t.Error("one namespace was given twice")
		}
		seen[n.ref.Cookie] = true
		if spare := !n.born.IsZero(); spare != wantSpare {
			t.Errorf("it is a spare: %v", spare)
		}
		err = n.Do(func() error {
			if found, err := differences(); err != nil || len(found) > 0 {
				t.Errorf("it differs: %v, %v", found, err)
			}
			cookie, err := ownCookie()
			if cookie != n.ref.Cookie {
				t.Errorf("its cookie is %d, not %d", cookie, n.ref.Cookie)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ready := func() {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); m.spares == nil ||
			len(m.spares.made) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no spare was made")
			}
		}
	}
	// The one that others are begun to be made with may be one of them already.
	begin := func() {
		t.Helper()
		if _, err := m.Make("begin", true); err != nil {
			t.Fatal(err)
		}
		ready()
	}
	for range sparesFrom - 1 {
		make1(true, false)
	}
	begin()
	for range 3 {
		ready()
		make1(true, true)
	}
	ready()
	make1(false, false) // spares have their lo up

	if err := m.Host().SetSysctl("net.ipv4.ip_default_ttl", "70"); err != nil {
		t.Fatal(err)
	}
	if m.spares != nil {
		t.Error("namespaces that were made before a setting of the machine are used after it")
	}
	make1(true, false)
	begin()
	spareFor = 0 // all are too old
	make1(true, false)
	m.Close()
	if after := openNamespaces(t); after != before {
		t.Errorf("%d namespaces are open, %d were before", after, before)
	}
}

// TestSparesLimit makes as many namespaces as the user may have: none of them is a spare for nobody.
func TestSparesLimit(t *testing.T) {
	const limit = "/proc/sys/user/max_net_namespaces"
	if ids, err := os.ReadFile("/proc/self/uid_map"); err != nil || strings.Fields(string(ids))[2] == "4294967295" {
		t.Skip("the limit of the whole machine is not for tests to set: ", err)
	}
	before, err := os.ReadFile(limit)
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(limit, before, 0)
	if err := os.WriteFile(limit, []byte("20"), 0); err != nil {
		t.Fatal(err)
	}
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range 21 {
		if _, err = m.Make("n"+strconv.Itoa(i), true); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("21 namespaces of 20: %v", err)
	}
	if m.spares == nil {
		return // who made them has ended
	}
	if n, more := <-m.spares.made; more {
		n.release()
		t.Error("a namespace was there that nobody got")
	}
}

// openNamespaces counts the descriptors of network namespaces.
func openNamespaces(t *testing.T) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "net:") {
			n++
		}
	}
	return n
}
