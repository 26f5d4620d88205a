package pcapfilter_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

var (
	update = flag.Bool("update", false, "write what tcpdump selects")
	more   = flag.Int("expressions", 60, "how many random expressions are compared with tcpdump")
)

// tcpdump selects frames of a file; its code is not optimized.
type tcpdump struct{ path, file string }

// newTcpdump is not there on a machine without the program.
func newTcpdump(t testing.TB, all []pcapfilter.Frame) *tcpdump {
	path, err := exec.LookPath("tcpdump")
	if err != nil {
		return nil
	}
	file := filepath.Join(t.TempDir(), "mixed.pcap")
	if err := os.WriteFile(file, written(all), 0o644); err != nil {
		t.Fatal(err)
	}
	return &tcpdump{path, file}
}

// selects is the frames that an expression is true of, or what is wrong with the expression.
func (d *tcpdump) selects(expr string) ([]int, error) {
	var out, complaint bytes.Buffer
	cmd := exec.Command(d.path, "-Z", "root", "-O", "-r", d.file, "-w", "-", "--", expr)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return nil, fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	return numbers(out.Bytes()), nil
}

func selects(p *pcapfilter.Program, all []pcapfilter.Frame) (which []int) {
	for i, f := range all {
		if p.Match(f) {
			which = append(which, i)
		}
	}
	return which
}

// TestTcpdump compares what expressions select with what tcpdump selects of the same 2,000 frames: with the program
// where it is installed, or else with what it has said before (testdata/expressions.txt).
func TestTcpdump(t *testing.T) {
	all := frames(1, 2000)
	dump := newTcpdump(t, all)
	const name = "testdata/expressions.txt"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		said, expr, ok := strings.Cut(line, "\t")
		if !ok {
			said, expr = "", line
		}
		p, err := pcapfilter.Compile(expr, pcapfilter.Options{})
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		mine := selects(p, all)
		if got := summary(mine); dump == nil && got != said {
			t.Errorf("%s: selects %s, and tcpdump %s", expr, got, said)
		}
		if dump == nil {
			continue
		}
		theirs, err := dump.selects(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if !slices.Equal(mine, theirs) {
			t.Errorf("%s: %s", expr, difference(all, mine, theirs))
		}
		if got := summary(theirs); got != said && !*update {
			t.Errorf("%s: tcpdump selects %s, and not %s", expr, got, said)
		}
		lines[i] = summary(theirs) + "\t" + expr
	}
	if *update && dump != nil {
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// summary is how many frames they are, and a hash of which.
func summary(which []int) string {
	return fmt.Sprintf("%4d %x", len(which), sha256.Sum256(fmt.Append(nil, which)))[:4+1+12]
}

// difference shows the first frame that only one of them has.
func difference(all []pcapfilter.Frame, mine, theirs []int) string {
	for i := range all {
		if a, b := slices.Contains(mine, i), slices.Contains(theirs, i); a != b {
			return fmt.Sprintf("selects %d frames and tcpdump %d: of frame %d it says %v: %d of %d bytes, %x",
				len(mine), len(theirs), i, a, len(all[i].Data), all[i].Length, all[i].Data)
		}
	}
	return "the same"
}

// TestTcpdumpRandom compares random expressions.
func TestTcpdumpRandom(t *testing.T) {
	all := frames(2, 600)
	dump := newTcpdump(t, all)
	if dump == nil {
		t.Skip("tcpdump is not installed")
	}
	seed := rand.Uint64()
	r := random{rand.New(rand.NewPCG(seed, 2))}
	refused := 0
	for range *more {
		expr := r.expr(3)
		if r.IntN(8) == 0 {
			expr = pick(r, "geneve", "geneve 42") + " and (" + expr + ")"
		}
		theirs, refusal := dump.selects(expr)
		p, err := pcapfilter.Compile(expr, pcapfilter.Options{})
		switch {
		case err != nil && refusal != nil,
			refusal != nil && strings.Contains(refusal.Error(), "variable length headers"):
			refused++
		case err != nil:
			t.Errorf("seed %d: %s: %v, and tcpdump takes it", seed, expr, err)
		case refusal != nil:
			t.Errorf("seed %d: %s: tcpdump refuses it: %v", seed, expr, refusal)
		default:
			if mine := selects(p, all); !slices.Equal(mine, theirs) {
				t.Errorf("seed %d: %s: %s", seed, expr, difference(all, mine, theirs))
			}
		}
	}
	if refused > *more/2 {
		t.Errorf("%d of %d expressions were refused", refused, *more)
	}
}

// expr is a random expression, of parts that are so many levels deep.
func (r random) expr(deep int) string {
	switch n := r.IntN(10); {
	case deep > 0 && n < 3:
		return r.expr(deep-1) + pick(r, " and ", " or ", " && ", " || ") + r.expr(deep-1)
	case deep > 0 && n < 4:
		return "(" + r.expr(deep-1) + ")"
	case deep > 0 && n < 5:
		return pick(r, "not ", "! ") + r.expr(deep-1)
	case n < 6:
		return r.number(2) + pick(r, " > ", " < ", " >= ", " <= ", " = ", " == ", " != ") + r.constant()
	}
	return r.primitive()
}

func (r random) primitive() string {
	dir := pick(r, "", "", "src ", "dst ", "src or dst ", "src and dst ", "dst and src ")
	host := pick(r, "10.0.0.1", "10.0.1.2", "192.168.1.1")
	switch r.IntN(16) {
	case 0:
		return pick(r, "", "ip ", "arp ", "rarp ") + dir + "host " + host
	case 1:
		return pick(r, "", "ip6 ") + dir + "host " + pick(r, "fe80::1", "fd00:0:0:1::2", "2001:db8::3", "ff02::1")
	case 2:
		return "ether " + dir + "host " + pick(r, "2:0:0:0:0:1", "ff:ff:ff:ff:ff:ff", "0200.0000.0002", "33-33-0-0-0-1")
	case 3:
		return pick(r, "", "ip ", "arp ") + dir + "net " + pick(r, "10", "10.0", "10.0.0", "10.0.0.0/24",
			"192.168.0.0/16",
			"172.16.0.0 mask 255.240.0.0", "0.0.0.0/0", "10.0.0.1")
	case 4:
		return pick(r, "", "ip6 ") + dir + "net " + pick(r, "fe80::/10", "fd00::/8", "2001:db8::/33", "::/0",
			"ff02::1/128")
	case 5, 6:
		return pick(r, "", "tcp ", "udp ", "sctp ") + dir + "port " + pick(r, "22", "53", "80", "443", "(80 or 443)",
			"ssh")
	case 7:
		return pick(r, "", "tcp ", "udp ") + dir + "portrange " + pick(r, "20-80", "6000-6008", "443-100", "80-80")
	case 8:
		return pick(r, "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "pim", "vrrp", "ah",
			"esp", "stp", "iso", "isis", "l1", "iih", "csnp", "clnp", "ipx", "netbeui", "atalk", "aarp", "decnet",
			"lat",
			"mopdl", "moprc", "llc", "llc i", "llc s", "llc ui", "llc rnr", "broadcast", "multicast", "ether broadcast",
			"ip multicast", "ip6 multicast", "pppoed")
	case 9:
		return pick(r, "vlan", "vlan 10", "vlan 100", "vlan and vlan", "mpls", "mpls 1024", "mpls and mpls", "pppoes",
			"pppoes 39")
	case 10:
		return pick(r, "", "ip ", "ip6 ") + "proto " + pick(r, `\tcp`, `\udp`, "1", "58", "47", `\sctp`, "gre", "44")
	case 11:
		return pick(r, "ip6 ", "ip ", "") + "protochain " + pick(r, `\tcp`, `\udp`, "58", "60", "44", "59")
	case 12:
		return "ether proto " + pick(r, "0x800", `\arp`, `\ip6`, "0x88cc", "0x42", `\stp`, `\ipx`, "0x9000")
	case 13:
		return pick(r, "less ", "greater ") + pick(r, "40", "60", "100")
	case 14:
		return "host " + host + pick(r, " and not ", " or ", " and ") + pick(r, "10.0.0.2", "(10.0.0.2 or 224.0.0.1)",
			"fe80::1")
	}
	return pick(r, "iso proto 0x81", `iso proto \isis`, "isis proto 20", "decnet host 10.123", "decnet src 1.1",
		"byte 12 = 8", "byte 14 > 0x45")
}

// number is a random number. What is read of the frame is on the left alone: tcpdump forgets what it must be so of it
// on the right of an operator.
func (r random) number(deep int) string {
	if deep > 0 && r.IntN(3) > 0 {
		return r.number(deep-1) + pick(r, " + ", " - ", " & ", " | ", "*", "/", " << ", ">>", "%", "^") +
			pick(r, "1", "2", "3", "0xf", "7", "13", "(1 + 2)", "(7 & 3)", "len")
	}
	return pick(r, "ip[0]", "ip[2:2]", "ip[12:4]", "tcp[13]", "tcp[tcpflags]", "udp[0:2]", "icmp[icmptype]", "icmp6[0]",
		"ip6[6]", "arp[6:2]", "ether[0]", "ether[12:2]", "link[6:4]", "len", "tcp[0:2]", "ip[ip[0] & 0xf]", "-ip[8]",
		"sctp[2:2]", "igmp[0]", "decnet[2]", "(tcp[12] & 0xf0)", "(ip[8])")
}

func (r random) constant() string {
	return pick(r, "0", "1", "2", "0x45", "8", "5", "64", "128", "53", "0x800", "tcp-syn", "icmp-echo",
		"(tcp-syn|tcp-ack)",
		"0xffffffff", "20", "4")
}
