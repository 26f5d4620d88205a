package builtins

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// tracked has the sandbox's own namespace track a connection of SCTP: a request for one, which nobody answers.
func tracked(t *testing.T) {
	t.Helper()
	if lacks("nft", "conntrack") {
		t.Skip("there is no nft here, or no conntrack")
	}
	nstest.IP(t, "link", "set", "lo", "up")
	shell(t, "nft 'table inet track { chain c { type filter hook output priority 0; ct state new counter; }; }'")
	t.Cleanup(func() { nstest.ClearNft(t) })
	t.Cleanup(func() { forgetAll(t) })
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	// Ports and a chunk INIT (RFC 9260), and the sum over them, which is the only number in the host's order.
	packet := []byte{0x30, 0x39, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0,
		1, 0, 0, 20, 0, 0, 0, 7, 0, 0, 16, 0, 0, 1, 0, 1, 0, 0, 0, 1}
	binary.LittleEndian.PutUint32(packet[8:], crc32.Checksum(packet, crc32.MakeTable(crc32.Castagnoli)))
	if err := unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
}

// forgetAll leaves the sandbox's own namespace without connections.
func forgetAll(t *testing.T) {
	t.Helper()
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all, err := m.Host().Connections()
	for _, c := range all {
		err = errors.Join(err, unlessGone(m.Host().DelConnection(c.Key)))
	}
	if err != nil {
		t.Error(err)
	}
}

// TestConntrackLoss has connections of somebody's forgotten: that is a loss, which is named before and after.
func TestConntrackLoss(t *testing.T) {
	tracked(t)
	const all = `conntrack(host, proto = "sctp", sport = 12345, dport = 80, state = "CLOSED")`
	const what = "connection sctp src=127.0.0.1 dst=127.0.0.1 sport=12345 dport=80 in host"
	for _, how := range []string{all + ".flush()", all + "[0].delete()"} {
		if _, err := runScript(t, "x.star", how); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", how, err)
		}
	}
	s := newSession(t)
	if err := runIn(t, s, all+".flush(irreversible = True)\nassert.false("+all+")"); err != nil {
		t.Fatal(err)
	}
	u, err := s.Rollback()
	if err != nil || len(u.Left) != 1 || !strings.HasPrefix(u.Left[0].Reason, what+" is lost") || !u.Over() {
		t.Errorf("%v, left: %+v", err, u.Left)
	}
}

// TestConntrackUndone has the deletion of a connection undone that was never made, and one that was.
func TestConntrackUndone(t *testing.T) {
	tracked(t)
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all, err := m.Host().Connections()
	all = slices.DeleteFunc(all, func(c kernel.Connection) bool { return c.Proto != unix.IPPROTO_SCTP })
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	op := &delConnection{NS: m.Host().Ref(), Conn: all[0].Key}
	if lost, more := kernel.Losses(op.Check(m, false)); len(lost) != 1 || more {
		t.Fatalf("it is no loss: %v", lost)
	}
	if err := errors.Join(change.ValidOp(op), op.Undo(m)); err != nil {
		t.Errorf("undone before it was made: %v", err)
	}
	if err := op.Do(m); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if lost, more := kernel.Losses(op.Undo(m)); len(lost) != 1 || more {
			t.Errorf("it is no loss: %v", lost)
		}
	}
	if err := op.Do(m); !errors.Is(err, kernel.ErrGone) {
		t.Errorf("deleted twice: %v", err)
	}
}
