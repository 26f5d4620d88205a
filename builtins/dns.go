package builtins

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/probe"
)

var dnsDecl = runtime.Query("dns", "struct",
	"Asks a name server from a namespace (RFC 1035), and returns its answer: code (\"NOERROR\", \"NXDOMAIN\", "+
		"\"SERVFAIL\" ...), answers (a list of struct: name, type, ttl in seconds and data, such as the address), "+
		"truncated and authoritative. It fails when no answer comes; one that names no address is an answer.",
	&dnsArgs{Type: "A", Port: 53, Proto: "udp", Timeout: waitArg(2 * time.Second)})

type dnsArgs struct {
	NS      senderArg   `arg:"ns" doc:"namespace to ask from; or a link or an address value, which is asked from"`
	Name    dnsName     `arg:"name" doc:"the name, such as \"www.example.org\"; of PTR also an address"`
	Server  endpointArg `arg:"server" doc:"address of the name server, or a link or a namespace: as ping() chooses one of its addresses"`
	_       struct{}    `arg:"*"`
	Type    dnsType     `arg:"type?" doc:"what is asked for: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT"`
	Port    socketPort  `arg:"port?" doc:"port of the name server"`
	Proto   dnsProto    `arg:"proto?" doc:"udp or tcp"`
	Timeout waitArg     `arg:"timeout?" doc:"how long to wait; of udp the question is not asked again"`
	Family  familyArg   `arg:"family?" doc:"4 or 6: only addresses of the server of that family; either when left out"`
	socketArgs
}

type (
	dnsName  string
	dnsType  string
	dnsProto string
)

var dnsTypes = map[string]dnsmessage.Type{"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA,
	"CNAME": dnsmessage.TypeCNAME, "MX": dnsmessage.TypeMX, "NS": dnsmessage.TypeNS, "PTR": dnsmessage.TypePTR,
	"SOA": dnsmessage.TypeSOA, "SRV": dnsmessage.TypeSRV, "TXT": dnsmessage.TypeTXT}

func (dnsName) ArgType() string                       { return "string" }
func (dnsType) ArgType() string                       { return "string" }
func (dnsProto) ArgType() string                      { return "string" }
func (a dnsType) String() string                      { return string(a) }
func (a dnsProto) String() string                     { return string(a) }
func (dnsProto) Choices(*runtime.Vocabulary) []string { return []string{"tcp", "udp"} }
func (dnsType) Choices(*runtime.Vocabulary) []string {
	return []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}
}

func (a *dnsType) Unpack(val starlark.Value) error  { return oneWord(a, val, a.Choices(nil)) }
func (a *dnsProto) Unpack(val starlark.Value) error { return oneWord(a, val, a.Choices(nil)) }

func (a *dnsName) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		s = reverseName(ip)
	}
	*a = dnsName(strings.TrimSuffix(s, ".") + ".")
	if _, err := dnsmessage.NewName(string(*a)); err != nil || len(*a) > 254 {
		return fmt.Errorf("%q is no name of at most 253 characters", s)
	}
	return nil
}

// reverseName is the name that an address is looked up by (RFC 1035, 3.5; RFC 3596, 2.5).
func reverseName(ip netip.Addr) string {
	var parts []string
	for _, b := range ip.AsSlice() {
		if ip.Is4() {
			parts = append([]string{fmt.Sprint(b)}, parts...)
		} else {
			parts = append([]string{fmt.Sprintf("%x.%x", b&15, b>>4)}, parts...)
		}
	}
	return strings.Join(parts, ".") + map[bool]string{true: ".in-addr.arpa", false: ".ip6.arpa"}[ip.Is4()]
}

func (a *dnsArgs) Query(v *runtime.View) (starlark.Value, error) {
	id := uint16(rand.Uint32())
	name, err := dnsmessage.NewName(string(a.Name))
	if err != nil {
		return nil, err
	}
	question, err := (&dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsTypes[string(a.Type)],
			Class: dnsmessage.ClassINET}}}).Pack()
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	ask := a.overUDP
	if a.Proto == "tcp" {
		ask = a.overTCP
	}
	answer, err := ask(v, id, question)
	if err != nil {
		return nil, err
	}
	return dnsStruct(answer)
}

// overUDP asks with one datagram, and takes the answer to it.
func (a *dnsArgs) overUDP(v *runtime.View, id uint16, question []byte) (m dnsmessage.Message, err error) {
	n, err := (&nsValue{v, *a.NS.ns}).open()
	if err != nil {
		return m, err
	}
	if err := v.Machine().Settle(); err != nil {
		return m, err
	}
	ip, source, err := target{"ask", a.NS, a.Server, nil, a.Family, a.VRF}.ends(v, n)
	if err != nil {
		return m, err
	}
	server := netip.AddrPortFrom(ip, uint16(a.Port))
	u, err := probe.OpenUDP(n.Do, netip.AddrPortFrom(source, 0), a.options())
	if err == nil {
		defer u.Close()
		err = awaited(v, a.Timeout, "no answer came", func(ctx context.Context) error {
			if err := u.Send(ctx, question, server, netip.Addr{}, 0); err != nil {
				return err
			}
			for {
				d, err := u.Recv(ctx)
				if err != nil {
					return err
				}
				// What is no answer to this question, or of somebody else, is not taken.
				if d.From.Port() == server.Port() && m.Unpack(d.Data) == nil && m.ID == id && m.Response {
					return nil
				}
			}
		})
	}
	if undelivered := new(probe.Undelivered); errors.As(err, &undelivered) {
		err = undelivered.Failure
	}
	return m, a.fail(v, n, server, err)
}

func (a *dnsArgs) fail(v *runtime.View, n *kernel.Namespace, server netip.AddrPort, err error) error {
	return socketError(v, "ask", server.String()+" for "+string(a.Type)+" of "+string(a.Name), n.Ref(), err,
		unreachedHint(n, server, string(a.Proto), err))
}

// overTCP asks over a connection, where a message has its length before it (RFC 1035, 4.2.2).
func (a *dnsArgs) overTCP(v *runtime.View, id uint16, question []byte) (m dnsmessage.Message, err error) {
	c := connectArgs{NS: a.NS, Dst: a.Server, Port: a.Port, Proto: "tcp", Timeout: a.Timeout, Family: a.Family,
		socketArgs: a.socketArgs}
	s, err := c.connect(v)
	if err != nil {
		return m, err
	}
	defer s.Abort()
	n, err := v.Machine().Namespace(*a.NS.ns)
	if err != nil {
		return m, err
	}
	err = awaited(v, a.Timeout, "no answer came", func(ctx context.Context) error {
		sent := append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...)
		if err := s.Send(ctx, sent); err != nil {
			return err
		}
		var data []byte
		for len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			buf := make([]byte, 1<<16)
			got, err := s.Recv(ctx, buf)
			if data = append(data, buf[:got]...); err == io.EOF {
				return errors.New("it closed the connection without an answer")
			} else if err != nil {
				return err
			}
		}
		err := m.Unpack(data[2:])
		if err == nil && m.ID != id {
			err = errors.New("it answered another question")
		}
		return err
	})
	return m, a.fail(v, n, s.Remote, err)
}

func dnsStruct(m dnsmessage.Message) (starlark.Value, error) {
	codes := map[dnsmessage.RCode]string{dnsmessage.RCodeSuccess: "NOERROR", dnsmessage.RCodeFormatError: "FORMERR",
		dnsmessage.RCodeServerFailure: "SERVFAIL", dnsmessage.RCodeNameError: "NXDOMAIN",
		dnsmessage.RCodeNotImplemented: "NOTIMP", dnsmessage.RCodeRefused: "REFUSED"}
	code, ok := codes[m.RCode]
	if !ok {
		code = fmt.Sprintf("RCODE%d", m.RCode)
	}
	var answers []starlark.Value
	for _, r := range m.Answers {
		answers = append(answers, newStruct("answer", starlark.StringDict{
			"name": starlark.String(strings.TrimSuffix(r.Header.Name.String(), ".")),
			"type": starlark.String(strings.TrimPrefix(r.Header.Type.String(), "Type")),
			"ttl":  starlark.MakeInt(int(r.Header.TTL)), "data": starlark.String(recordText(r.Body))}))
	}
	return newStruct("dns", starlark.StringDict{"code": starlark.String(code), "answers": starlark.NewList(answers),
		"truncated": starlark.Bool(m.Truncated), "authoritative": starlark.Bool(m.Authoritative)}), nil
}

// recordText is the data of a record as zone files have it (RFC 1035, 5), names without the last dot.
func recordText(body dnsmessage.ResourceBody) string {
	plain := func(n dnsmessage.Name) string { return strings.TrimSuffix(n.String(), ".") }
	switch r := body.(type) {
	case *dnsmessage.AResource:
		return netip.AddrFrom4(r.A).String()
	case *dnsmessage.AAAAResource:
		return netip.AddrFrom16(r.AAAA).String()
	case *dnsmessage.CNAMEResource:
		return plain(r.CNAME)
	case *dnsmessage.NSResource:
		return plain(r.NS)
	case *dnsmessage.PTRResource:
		return plain(r.PTR)
	case *dnsmessage.MXResource:
		return fmt.Sprintf("%d %s", r.Pref, plain(r.MX))
	case *dnsmessage.SRVResource:
		return fmt.Sprintf("%d %d %d %s", r.Priority, r.Weight, r.Port, plain(r.Target))
	case *dnsmessage.TXTResource:
		return strings.Join(r.TXT, "")
	case *dnsmessage.SOAResource:
		return fmt.Sprintf("%s %s %d %d %d %d %d", plain(r.NS), plain(r.MBox), r.Serial, r.Refresh, r.Retry, r.Expire,
			r.MinTTL)
	case *dnsmessage.UnknownResource:
		return fmt.Sprintf("\\# %d %x", len(r.Data), r.Data) // RFC 3597
	}
	return body.GoString()
}
