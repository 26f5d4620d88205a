package probe

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var testIdent = ident{id: 0x1234, cookie: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}}

// answer makes of a request what a raw socket receives: for IPv4 with an IP
// header that has options.
func answer(v6 bool, request []byte) []byte {
	b := append([]byte(nil), request...)
	if v6 {
		b[0] = echoReply6
		return b
	}
	b[0], b[2], b[3] = echoReply4, 0, 0
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	header := make([]byte, 24)
	header[0] = 0x46
	return append(header, b...)
}

func TestReply(t *testing.T) {
	t.Parallel()
	other, otherCookie := testIdent, testIdent
	other.id++
	otherCookie.cookie[0]++
	for _, v6 := range []bool{false, true} {
		for _, size := range []int{0, 1, 7, 8, 9, 56} {
			b := answer(v6, testIdent.request(v6, 7, size))
			if seq, n, ok := testIdent.reply(v6, size, b); !ok || seq != 7 || n != size {
				t.Errorf("v6 %v, size %d: got seq %d, size %d, %v", v6, size, seq, n, ok)
			}
			if _, _, ok := other.reply(v6, size, b); ok {
				t.Errorf("v6 %v, size %d: took a reply with another id", v6, size)
			}
			if _, _, ok := otherCookie.reply(v6, size, b); ok != (size == 0) {
				t.Errorf("v6 %v, size %d: another cookie: got %v", v6, size, ok)
			}
			if _, _, ok := testIdent.reply(v6, size, b[:len(b)-min(size, 1)-1]); ok && size < 9 {
				t.Errorf("v6 %v, size %d: took a reply that is too short", v6, size)
			}
			if !v6 {
				b[len(b)-1] ^= 0x10
				if _, _, ok := testIdent.reply(v6, size, b); ok {
					t.Errorf("size %d: took a damaged reply", size)
				}
			}
		}
	}
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	other := testIdent
	other.cookie[7]++
	for _, v6 := range []bool{false, true} {
		b := testIdent.request(v6, 9, 56)
		for n := range len(b) + 1 { // routers quote as much as they like
			if seq, ok := testIdent.quoted(v6, 56, b[:n]); ok != (n >= 8) || ok && seq != 9 {
				t.Errorf("v6 %v, %d bytes: got %d, %v", v6, n, seq, ok)
			}
			if _, ok := other.quoted(v6, 56, b[:n]); ok != (n >= 8 && n < 16) {
				t.Errorf("v6 %v, %d bytes, other cookie: got %v", v6, n, ok)
			}
		}
	}
}

// take gives a run a message as its drain does.
func take(r *pingRun, m message) {
	reply, failure := r.take(m)
	if reply != nil {
		r.res.Replies = append(r.res.Replies, *reply)
	}
	if failure != nil {
		r.res.Failures = append(r.res.Failures, *failure)
	}
}

// What comes again, late, or for a request that was never sent changes nothing.
func TestTakeOnce(t *testing.T) {
	t.Parallel()
	p, err := Ping{Dst: lo4}.complete()
	if err != nil {
		t.Fatal(err)
	}
	r := p.newRun(testIdent, nil, Result{})
	r.all, r.open = make([]flight, 2), 1
	r.all[1].open, r.all[1].dst = true, lo4
	host := &queuedError{origin: unix.SO_EE_ORIGIN_ICMP, typ: 3, code: 1, errno: unix.EHOSTUNREACH, offender: lo4}
	for seq := range uint16(5) {
		request := testIdent.request(false, seq, 56)
		reply := message{data: answer(false, request), from: lo4}
		failed := message{data: request, from: lo4, err: host}
		elsewhere := message{data: request, from: netip.MustParseAddr("192.0.2.1"), err: host}
		r.all[1].sent = r.all[1].sent.Add(1) // long ago
		take(r, reply)
		take(r, elsewhere)
		take(r, failed)
		take(r, failed)
		take(r, reply)
	}
	if len(r.res.Replies) != 0 || len(r.res.Failures) != 1 || r.res.Failures[0].Seq != 2 || r.open != 0 {
		t.Errorf("got %+v, %d open", r.res, r.open)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	from := netip.MustParseAddr("10.0.0.254")
	for _, tt := range []struct {
		v6        bool
		typ, code uint8
		want      string
	}{
		{false, 3, 0, "net unreachable"}, {false, 3, 1, "host unreachable"}, {false, 3, 2, "protocol unreachable"},
		{false, 3, 3, "port unreachable"}, {false, 3, 4, "fragmentation needed (mtu 1400)"},
		{false, 3, 9, "net prohibited"}, {false, 3, 10, "host prohibited"},
		{false, 3, 13, "administratively prohibited"}, {false, 3, 15, "precedence cutoff"},
		{false, 3, 16, "icmp type 3 code 16"}, {false, 11, 0, "time exceeded"},
		{false, 11, 1, "fragment reassembly time exceeded"}, {false, 12, 0, "parameter problem"},
		{true, 1, 0, "no route"}, {true, 1, 1, "administratively prohibited"}, {true, 1, 3, "address unreachable"},
		{true, 1, 4, "port unreachable"}, {true, 1, 6, "reject route"}, {true, 1, 255, "icmp type 1 code 255"},
		{true, 2, 0, "packet too big (mtu 1400)"}, {true, 3, 0, "time exceeded"}, {true, 4, 1, "parameter problem"},
	} {
		f := icmpFailure(1, tt.v6, queuedError{typ: tt.typ, code: tt.code, info: 1400, offender: from})
		if got := strings.TrimSuffix(f.Error(), " from 10.0.0.254"); got != tt.want || f.From != from {
			t.Errorf("v6 %v, type %d code %d: got %q, want %q", tt.v6, tt.typ, tt.code, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	zone := zoneNames("eth0", 2)
	for _, v6 := range []bool{false, true} {
		request := testIdent.request(v6, 1, 56)
		f.Add(v6, answer(v6, request), []byte(nil))
		f.Add(v6, request, queuedErrorControl(v6))
		f.Add(v6, request[:8], queuedErrorControl(v6)[:40])
	}
	f.Add(false, []byte{0x4f}, []byte{16})
	f.Fuzz(func(t *testing.T, v6 bool, data, control []byte) {
		p := Ping{Dst: lo4}
		if v6 {
			p.Dst = lo6
		}
		p, err := p.complete()
		if err != nil {
			t.Fatal(err)
		}
		p.Timeout = 1 << 62
		r := p.newRun(testIdent, nil, Result{})
		r.all, r.open = []flight{{open: true, dst: p.Dst}}, 1
		m := message{data: data, from: p.Dst}
		m.parseControl(control, zone)
		take(r, m)
		take(r, m)
		if ended := len(r.res.Replies) + len(r.res.Failures); ended > 1 || r.open != 1-ended {
			t.Errorf("got %+v, %d open", r.res, r.open)
		}
		for _, reply := range r.res.Replies {
			if reply.Size < 8 || reply.Size > len(data) {
				t.Errorf("got %+v of %d bytes", reply, len(data))
			}
		}
		for _, failure := range r.res.Failures {
			_ = failure.Error()
		}
	})
}

// queuedErrorControl is the control message of a "host unreachable" or
// "address unreachable".
func queuedErrorControl(v6 bool) []byte {
	level, name, typ, origin, family := unix.SOL_IP, unix.IP_RECVERR, byte(3),
		byte(unix.SO_EE_ORIGIN_ICMP), unix.AF_INET
	if v6 {
		level, name, typ, origin, family = unix.SOL_IPV6, unix.IPV6_RECVERR, 1, unix.SO_EE_ORIGIN_ICMP6, unix.AF_INET6
	}
	b := make([]byte, unix.CmsgSpace(16+28))
	binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(16+28)))
	binary.NativeEndian.PutUint32(b[8:], uint32(level))
	binary.NativeEndian.PutUint32(b[12:], uint32(name))
	ee := b[unix.CmsgLen(0):]
	binary.NativeEndian.PutUint32(ee, uint32(syscall.EHOSTUNREACH))
	ee[4], ee[5], ee[6] = origin, typ, 1
	binary.NativeEndian.PutUint16(ee[16:], uint16(family))
	return b
}
