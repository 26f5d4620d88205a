package builtins

import (
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var socketsDecl = runtime.Query("sockets", "list of struct",
	"Lists the TCP and UDP sockets of a namespace as they are now (sock_diag(7)), each with proto (tcp, udp), state "+
		"(LISTEN, ESTAB, UNCONN: the words of ss(8)), local and port, peer and peer_port (None where it is not "+
		"connected), link (None when it is bound to none), recv_q and send_q (bytes; of one that listens: connections "+
		"that wait, and how many may), uid, inode, and tcp: rtt and rttvar in seconds, mss, pmtu, cwnd, retrans, "+
		"bytes_acked, bytes_received (tcp(7)); None for udp.", &socketsArgs{}).Needing("sock-diag")

type socketsArgs struct {
	NS nsArg `arg:"ns" doc:"namespace whose sockets to list"`
}

func (a *socketsArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, err := v.Machine().Namespace(a.NS.NSRef)
	if err != nil {
		return nil, err
	}
	all, err := n.Sockets()
	if err != nil {
		return nil, err
	}
	vals := make([]starlark.Value, len(all))
	for i, s := range all {
		if vals[i], err = socketStruct(v, a.NS.NSRef, s); err != nil {
			return nil, err
		}
	}
	return starlark.NewList(vals), nil
}

func socketStruct(v *runtime.View, ns kernel.NSRef, s kernel.Socket) (starlark.Value, error) {
	fields := starlark.StringDict{"proto": starlark.String(s.Proto), "state": starlark.String(s.State),
		"local": starlark.String(s.Local.Addr().String()), "port": starlark.MakeInt(int(s.Local.Port())),
		"peer": starlark.None, "peer_port": starlark.None, "link": starlark.None, "tcp": starlark.None,
		"uid": starlark.MakeInt(s.UID), "inode": starlark.MakeInt(s.Inode),
		"recv_q": starlark.MakeInt(s.RecvQ), "send_q": starlark.MakeInt(s.SendQ)}
	if s.Peer.Port() != 0 {
		fields["peer"] = starlark.String(s.Peer.Addr().String())
		fields["peer_port"] = starlark.MakeInt(int(s.Peer.Port()))
	}
	if s.Link != 0 {
		l, err := v.Machine().Beside(&kernel.Link{LinkRef: kernel.LinkRef{NS: ns}}, s.Link)
		if err == nil {
			fields["link"] = &linkValue{v, l.LinkRef}
		} else if !isGone(err) {
			return nil, err
		}
	}
	if t := s.TCP; t != nil {
		micros := func(n uint32) starlark.Value { return seconds(time.Duration(n) * time.Microsecond) }
		count := func(n uint32) starlark.Value { return starlark.MakeUint64(uint64(n)) }
		fields["tcp"] = newStruct("tcp", starlark.StringDict{"rtt": micros(t.Rtt), "rttvar": micros(t.Rttvar),
			"mss": count(t.Snd_mss), "pmtu": count(t.Pmtu), "cwnd": count(t.Snd_cwnd),
			"retrans":     count(t.Total_retrans),
			"bytes_acked": starlark.MakeUint64(t.Bytes_acked), "bytes_received": starlark.MakeUint64(t.Bytes_received)})
	}
	return newStruct("socket", fields), nil
}
