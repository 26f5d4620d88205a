package builtins

import (
	"fmt"
	"net"
	"testing"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// TestSockets lists a connection, who listens for it, and a UDP socket.
func TestSockets(t *testing.T) {
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, f := range features() {
		if f.Name == "sock-diag" {
			if err := f.Probe(m); err != nil {
				t.Skip(err)
			}
		}
	}
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp6", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	_, err = runScript(t, "sockets.star", fmt.Sprintf(`
listening, client, unread = %d, %d, %d
by = lambda port, proto: [s for s in sockets(host) if s.port == port and s.proto == proto]
l = [s for s in by(listening, "tcp") if s.state == "LISTEN"][0]
assert.eq([l.local, l.peer, l.peer_port, l.link, l.uid], ["::1", None, None, None, 0])
assert.gt(l.send_q, 0)
c = by(client, "tcp")[0]
assert.eq([c.state, c.local, c.peer, c.peer_port], ["ESTAB", "::1", "::1", listening])
assert.gt(c.inode, 0)
assert.eq(c.tcp.retrans, 0)
assert.gt(c.tcp.mss, 1000)
eventually(lambda: assert.eq([s.recv_q for s in by(listening, "tcp") if s.peer_port == client], [5]))
u = by(unread, "udp")[0]
assert.eq([u.state, u.local, u.peer, u.tcp], ["UNCONN", "127.0.0.1", None, None])
assert.eq(sockets(netns("empty")), [])
`, l.Addr().(*net.TCPAddr).Port, c.LocalAddr().(*net.TCPAddr).Port, u.LocalAddr().(*net.UDPAddr).Port))
	if err != nil {
		t.Error(err)
	}
}
