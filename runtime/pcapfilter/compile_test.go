package pcapfilter_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

// TestMistakes checks what is said of an expression that is wrong, and where.
func TestMistakes(t *testing.T) {
	for expr, want := range map[string]string{
		"tcp prot 80":                      `column 5: "prot" after "tcp": write host, net or port before it`,
		"prot 80":                          `column 1: "prot" is no word of pcap-filter(7)`,
		"10.0.0.1":                         `column 1: "10.0.0.1" stands alone: write host, net or port before it`,
		"tcp and 80":                       `column 9: "80" stands alone: write host, net or port before it`,
		"tcp and":                          `column 8: the expression ends too early`,
		"(tcp or udp":                      `column 12: ")" is missing before the end`,
		"tcp)":                             `column 4: ")" cannot follow here`,
		"tcp udp":                          `column 5: "udp" cannot follow here`,
		"host":                             `column 5: the expression ends too early`,
		"host example.org":                 `column 6: names are not looked up: write the address of "example.org"`,
		"host 10.0.0.256":                  `column 6: "10.0.0.256" is no IPv4 address`,
		"host 10.0.0.0/8":                  `column 6: "10.0.0.0" has a mask: write net`,
		"net 10.0.0.1/8":                   `column 5: "10.0.0.1" has bits that its mask has not`,
		"net 10.0.0.0/33":                  `column 5: the prefix of an IPv4 address has 32 bits at most`,
		"net fe80::/129":                   `column 5: the prefix of an IPv6 address has 128 bits at most`,
		"arp host fe80::1":                 `column 10: arp has no IPv6 addresses`,
		"tcp host 10.0.0.1":                `column 10: tcp has no IPv4 addresses`,
		"host 02:00:00:00:00:01":           `column 6: "02:00:00:00:00:01" is a link-layer address: write ether host`,
		"port 70000":                       `column 6: port 70000 is more than 65535`,
		"icmp port 80":                     `column 11: icmp has no ports`,
		"port nosuchport":                  `column 6: "nosuchport" is no port`,
		"udp port ssh":                     `column 10: port ssh is one of tcp`,
		"portrange 80-":                    `column 13: "-" cannot follow here`,
		"ip proto tcp":                     `column 10: "tcp" is a keyword: write \tcp`,
		"ip proto nosuch":                  `column 10: "nosuch" is no name of a protocol: write its number`,
		"ip proto 300":                     `column 10: 300 is no number of a protocol in IP`,
		"tcp proto 5":                      `column 11: tcp cannot stand before proto`,
		"ether proto 0x12345":              `column 13: 0x12345 is no EtherType`,
		"ether proto 0x300":                `column 13: 0x300 is neither an EtherType nor an LLC service access point`,
		"ether":                            `column 1: every frame has a link layer: ether host, ether proto, ether[0]`,
		"tcp[13 & 2 != 0":                  `column 12: "]" is missing before "!="`,
		"tcp[13:3] = 1":                    `column 8: the size is 1, 2 or 4 bytes, not 3`,
		"esp[0] = 1":                       `column 1: esp[...] is not supported`,
		"len / 0 = 1":                      `column 5: division by zero`,
		"len << 32 = 1":                    `column 5: shift by more than 31 bits`,
		"len >":                            `column 6: a number is missing after ">"`,
		"len > 4294967296":                 `column 7: 4294967296 is no number of 32 bits`,
		"tcp @ udp":                        `column 5: '@' has no meaning in a filter`,
		"wlan type mgt":                    `column 6: 802.11 frames are not supported`,
		"vci 5":                            `column 1: ATM cells are not supported`,
		"gateway snup":                     `column 1: names are not looked up: write ether host MAC and not host IP`,
		"on eth0":                          `column 1: the log of pf(4) is not supported`,
		"ip broadcast":                     `column 4: ip broadcast: the netmask is not known here`,
		"tcp broadcast":                    `column 5: tcp has no broadcast`,
		"arp multicast":                    `column 5: arp has no multicast`,
		"vlan 4096":                        `column 6: vlan 4096: the number has 12 bits`,
		"mpls 1 and vlan":                  `column 12: no vlan tag can follow MPLS labels`,
		"mpls and arp":                     `column 10: of what MPLS carries, only IP can be told`,
		"pppoes and broadcast":             `column 12: broadcast: PPP has no link-layer addresses`,
		"llc nosuch":                       `column 5: "nosuch" is no type of LLC PDU`,
		"decnet host 64.1":                 `column 13: "64.1" is no DECnet address such as 10.123`,
		strings.Repeat("(", 300) + "tcp":   `column 202: more than 200 parentheses and signs stand in each other`,
		strings.Repeat("not ", 300) + "ip": `column 805: more than 200 parentheses and signs stand in each other`,
		strings.Repeat("protochain 6 or ", 20) + "tcp": "column 1: the expression needs",
	} {
		_, err := pcapfilter.Compile(expr, pcapfilter.Options{})
		if e := new(pcapfilter.Error); !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60s: %v, not %s", expr, err, want)
		}
	}
}

// TestLong checks that a long expression is refused, whatever it is made of, before the test's time is over.
func TestLong(t *testing.T) {
	for _, part := range []string{":", "a:", "1.", "aa-", "(", "not ", "1%", "-", "ip[", "tcp or ", "vlan and ",
		"fe80::1 ", "1 + ", "geneve and ", "\\"} {
		if _, err := pcapfilter.Compile(strings.Repeat(part, 16000/len(part)), pcapfilter.Options{}); err == nil {
			t.Errorf("%q is taken 16,000 bytes long", part)
		}
	}
}

// TestOwn checks what tcpdump cannot be asked: it does not know it, or it says it of another place.
func TestOwn(t *testing.T) {
	vxlan := slices.Concat(macs, be16(0x0800), []byte{0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0,
		2},
		be16(1000), be16(4789), be16(30), be16(0), []byte{8, 0, 0, 0, 0, 0, 42, 0}, macs, arp)
	plain := slices.Concat(macs, arp)
	tcp := slices.Concat(macs, be16(0x0800), []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0,
		255},
		be16(1000), be16(80), make([]byte, 8), []byte{0x50, 2}, make([]byte, 6))
	ah := slices.Concat(macs, be16(0x86dd), []byte{0x60, 0, 0, 0, 0, 40, 51, 64}, make([]byte, 32),
		[]byte{60, 4}, make([]byte, 22), []byte{6, 0}, make([]byte, 6), make([]byte, 20))
	for _, c := range []struct {
		expr string
		of   pcapfilter.Frame
		want bool
	}{
		{"vxlan", frame(vxlan), true},
		{"vxlan 42", frame(vxlan), true},
		{"vxlan 43", frame(vxlan), false},
		{"vxlan 42 and arp src host 10.0.0.7", frame(vxlan), true},
		{"vxlan and ether src 02:00:00:00:00:01", frame(vxlan), true},
		{"vxlan and udp", frame(vxlan), false},
		{"vxlan 43 or arp", frame(plain), true},
		{"vxlan or udp port 4789", frame(vxlan), true},
		{"not vxlan and tcp port 80", frame(tcp), true},
		{"1 + tcp[13] = 3", frame(tcp), true},
		{"1 + tcp[13] = 1", frame(plain), false},
		{"ip6 protochain 6", frame(ah), true},
		{"ip6 protochain 17", frame(ah), false},
		{"ip broadcast", frame(tcp), true},
		{"ip broadcast", frame(vxlan), false},
		{"byte 0 & 2", frame(tcp), true},
		{"byte 0 & 1", frame(tcp), false},
		{"inbound", frame(tcp), true},
		{"outbound", pcapfilter.Frame{Data: tcp, Length: len(tcp), Outgoing: true}, true},
		{"len = 1500", pcapfilter.Frame{Data: tcp, Length: 1500}, true},
		{"", frame(nil), true},
		{"not tcp", frame(nil), false},
	} {
		p, err := pcapfilter.Compile(c.expr, pcapfilter.Options{Mask: netip.MustParseAddr("255.255.255.0")})
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
		} else if got := p.Match(c.of); got != c.want {
			t.Errorf("%s: %v of %x", c.expr, got, c.of.Data)
		}
	}
}

var (
	macs = []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	arp  = slices.Concat(be16(0x0806), []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 7}, make([]byte, 10))
)

func frame(data []byte) pcapfilter.Frame { return pcapfilter.Frame{Data: data, Length: len(data)} }

// FuzzCompile checks that any text is a program, which another machine runs to the same end, or an *Error.
func FuzzCompile(f *testing.F) {
	for _, expr := range []string{"tcp port 80 and not host 10.0.0.1", "vlan 10 and ip6 protochain 6",
		"geneve 5 and icmp",
		`ip proto \udp or len >> ip[0] = 3`, "mpls and mpls 5 and ip", "pppoes 3 and tcp", "ether host 1:2:3:4:5:6",
		"host (10.0.0.1 or fe80::1)", "-ip[0] % 5 * 2 = 3", "decnet src 1.5", "llc xid or l1",
		"vxlan and vxlan 3 or udp"} {
		f.Add(expr)
	}
	all := frames(3, 50)
	f.Fuzz(func(t *testing.T, expr string) {
		p, err := pcapfilter.Compile(expr, pcapfilter.Options{})
		if err != nil {
			if e := new(pcapfilter.Error); !errors.As(err, &e) || e.Column < 1 || e.Column > len(expr)+1 {
				t.Fatalf("%q: %v", expr, err)
			}
			return
		}
		if err := agree(p, all); err != nil {
			t.Fatalf("%q: %v", expr, err)
		}
	})
}

// TestMachines checks that x/net/bpf's machine says the same of frames.
func TestMachines(t *testing.T) {
	all := frames(4, 200)
	for i, expr := range []string{"tcp", "not ip6 protochain 6", "geneve and tcp", "ip[1] / ip[2] > len << 3"} {
		p, err := pcapfilter.Compile(expr, pcapfilter.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := agree(p, all); err != nil {
			t.Errorf("%d: %s: %v", i, expr, err)
		}
	}
}

// agree runs what the kernel would run of a frame that had no VLAN tag taken out.
func agree(p *pcapfilter.Program, all []pcapfilter.Frame) error {
	raw, err := p.Kernel(1)
	if err != nil {
		return err
	}
	code, _ := bpf.Disassemble(raw)
	for i, ins := range code {
		switch ins := ins.(type) {
		case bpf.LoadExtension: // the other machine has only the length
			if ins.Num != bpf.ExtLen {
				code[i] = bpf.LoadConstant{}
			}
		}
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		return err
	}
	for i, f := range all {
		f.Length = len(f.Data)
		if n, err := vm.Run(f.Data); err != nil || n > 0 != p.Match(f) {
			return fmt.Errorf("of frame %d (%x) it is %v, %v", i, f.Data, n, err)
		}
	}
	return nil
}
