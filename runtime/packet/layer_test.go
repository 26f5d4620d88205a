package packet

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

// made are frames of every row, each with what a line says of it.
var made = []struct {
	parts []Part
	line  string
}{
	{[]Part{of("ether", "src", "02:00:00:00:00:01"), of("arp", "spa", "10.0.0.1", "tpa", "10.0.0.2")},
		"ether src 02:00:00:00:00:01 dst ff:ff:ff:ff:ff:ff / arp op 1 spa 10.0.0.1 tpa 10.0.0.2"},
	{[]Part{of("ether"), of("vlan", "id", 10, "prio", 3), of("vlan", "id", 20), of("ip", "src", "10.0.0.1", "dst",
		"224.0.0.9"),
		of("udp", "sport", 5, "dport", 9), raw("hello")},
		"ether src 00:00:00:00:00:00 dst 01:00:5e:00:00:09 / vlan id 10 / " +
			"vlan id 20 / ip src 10.0.0.1 dst 224.0.0.9 / udp sport 5 dport 9 / payload of 5 bytes"},
	{[]Part{of("ether"), of("ip", "src", "10.0.0.1", "dst", "10.0.0.2", "options", []byte{1, 1, 1, 0}),
		of("tcp", "sport", 80, "dport", 9, "flags", "syn,ack", "options", []byte{2, 4, 5, 0xb4})},
		toAll + "ip src 10.0.0.1 dst 10.0.0.2 / tcp sport 80 dport 9 flags syn,ack"},
	{[]Part{of("ether"), of("ip", "src", "10.0.0.1", "dst", "10.0.0.2"), of("icmp", "id", 7), raw("odd")},
		toAll + "ip src 10.0.0.1 dst 10.0.0.2 / icmp type 8 code 0 / " +
			"payload of 3 bytes"},
	{[]Part{of("ether"), of("ip6", "src", "fe80::1", "dst", "ff02::1"), of("hopopts", "data", []byte{5, 2, 0, 0}),
		of("dstopts"), of("routing", "type", 4, "data", make([]byte, 20)), of("icmp6", "id", 7, "seq", 1)},
		"ether src 00:00:00:00:00:00 dst 33:33:00:00:00:01 / ip6 src fe80::1 dst ff02::1 / hopopts / dstopts / " +
			"routing / " +
			"icmp6 type 128 code 0"},
	{[]Part{of("ether"), of("ip6", "src", "fe80::1", "dst", "fe80::2"), of("fragment", "id", 9, "more", true),
		raw("123456789")},
		toAll + "ip6 src fe80::1 dst fe80::2 / fragment / payload of 9 bytes"},
	{[]Part{of("ether"), of("ip6", "src", "fe80::1", "dst", "ff02::1:ff00:2", "hoplimit", 255),
		of("ns", "target", "fe80::2", "slla", "02:00:00:00:00:01")},
		"ether src 00:00:00:00:00:00 dst 33:33:ff:00:00:02 / ip6 src fe80::1 dst ff02::1:ff00:2 / ns target fe80::2"},
	{[]Part{of("ether"), of("ip6", "src", "fe80::1", "dst", "fe80::2", "hoplimit", 255),
		of("na", "target", "fe80::1", "tlla", "02:00:00:00:00:01", "solicited", true)},
		toAll + "ip6 src fe80::1 dst fe80::2 / na target fe80::1"},
	{[]Part{of("ether"), of("ip6", "src", "fe80::1", "dst", "ff02::2", "hoplimit", 255), of("rs", "slla",
		"02:00:00:00:00:01")},
		"ether src 00:00:00:00:00:00 dst 33:33:00:00:00:02 / ip6 src fe80::1 dst ff02::2 / rs"},
	{[]Part{of("ether"), of("ip6", "src", "fe80::1", "dst", "ff02::1", "hoplimit", 255),
		of("ra", "prefix", "fd00::/64", "mtu", 1400, "slla", "02:00:00:00:00:01")},
		"ether src 00:00:00:00:00:00 dst 33:33:00:00:00:01 / ip6 src fe80::1 dst ff02::1 / ra"},
	{[]Part{of("ether"), of("ip", "src", "10.0.0.1", "dst", "10.0.0.2"), of("gre", "key", 5, "seq", 6),
		of("ip", "src", "10.1.0.1", "dst", "10.1.0.2"), of("icmp")},
		toAll + "ip src 10.0.0.1 dst 10.0.0.2 / gre type 2048 / " +
			"ip src 10.1.0.1 dst 10.1.0.2 / icmp type 8 code 0"},
	{[]Part{of("ether"), of("ip", "src", "10.0.0.1", "dst", "10.0.0.2"), of("udp", "sport", 1000), of("vxlan", "id",
		42),
		of("ether"), of("arp", "spa", "10.0.0.1", "tpa", "10.0.0.2")},
		toAll + "ip src 10.0.0.1 dst 10.0.0.2 / udp sport 1000 dport 4789 / " +
			"vxlan id 42 / ether src 00:00:00:00:00:00 dst ff:ff:ff:ff:ff:ff / arp op 1 spa 10.0.0.1 tpa 10.0.0.2"},
	{[]Part{of("ether"), of("ip", "src", "10.0.0.1", "dst", "10.0.0.2"), of("udp"), of("geneve", "id", 7), of("ether"),
		of("ip6", "src", "fe80::1", "dst", "fe80::2"), of("tcp")},
		toAll + "ip src 10.0.0.1 dst 10.0.0.2 / udp sport 0 dport 6081 / " +
			"geneve id 7 / ether src 00:00:00:00:00:00 dst ff:ff:ff:ff:ff:ff / ip6 src fe80::1 dst fe80::2 / " +
			"tcp sport 0 dport 0 flags "},
	{[]Part{of("ether"), of("mpls", "label", 16), of("mpls", "label", 17), of("ip", "src", "10.0.0.1", "dst",
		"10.0.0.2"), of("icmp")},
		toAll + "mpls label 16 / mpls label 17 / ip src 10.0.0.1 dst 10.0.0.2 / " +
			"icmp type 8 code 0"},
}

// TestDecodeUnknown has what no header is known of be the payload, and what is broken be malformed.
func TestDecodeUnknown(t *testing.T) {
	for want, parts := range map[string][]Part{
		"payload":   {of("ether"), raw("x")},
		"malformed": {of("ether"), of("ip", "ihl", 3)},
	} {
		frame, err := Build(parts)
		if err != nil {
			t.Fatal(err)
		}
		if all := Decode(frame); all[len(all)-1].Name != want {
			t.Errorf("%s, not %s: %x", Line(all), want, frame)
		}
	}
	for _, num := range []int{253, 200} {
		frame, err := Build([]Part{of("ether"), of("ip", "proto", num), raw("x")})
		if all := Decode(frame); err != nil || all[len(all)-1].Name != "payload" {
			t.Errorf("%v, %v", Line(all), err)
		}
	}
}

func of(name string, values ...any) Part {
	p := Part{Row: Find(name), Values: map[string]any{}}
	for i := 0; i < len(values); i += 2 {
		p.Values[values[i].(string)] = values[i+1]
	}
	return p
}

func raw(text string) Part { return Part{Data: []byte(text)} }

const toAll = "ether src 00:00:00:00:00:00 dst ff:ff:ff:ff:ff:ff / "

// TestBuild makes frames of all rows and reads them again: what was given is there.
func TestBuild(t *testing.T) {
	used := map[string]bool{}
	for _, c := range made {
		frame, err := Build(c.parts)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		all := Decode(frame)
		if got := Line(all); got != c.line {
			t.Errorf("%x:\n  is   %s\n  want %s", frame, got, c.line)
			continue
		}
		for i, p := range c.parts {
			if p.Row == nil {
				continue
			}
			used[p.Row.Name] = true
			for name, want := range p.Values {
				got := all[i].Field(name)
				if b, is := want.([]byte); is {
					if data, _ := got.([]byte); !bytes.HasPrefix(data, b) {
						t.Errorf("%s: %s of %s is %v, not %v", c.line, name, p.Row.Name, got, want)
					}
				} else if got != want {
					t.Errorf("%s: %s of %s is %v, not %v", c.line, name, p.Row.Name, got, want)
				}
			}
		}
	}
	for _, r := range Rows {
		if !used[r.Name] {
			t.Errorf("no frame has %s", r.Name)
		}
	}
}

// TestBuildGiven has values that are given not be computed, and those that are too large refused.
func TestBuildGiven(t *testing.T) {
	frame, err := Build([]Part{of("ether", "type", 0x1234), of("ip", "src", "10.0.0.1", "dst", "10.0.0.2", "checksum",
		1,
		"length", 7, "ihl", 15, "proto", 200), of("udp", "length", 9, "checksum", 0)})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]byte{12: 0x12, 14: 0x4f, 17: 7, 23: 200, 25: 1, 39: 9, 40: 0, 41: 0} {
		if frame[at] != want {
			t.Errorf("byte %d is %#x, not %#x: %x", at, frame[at], want, frame)
		}
	}
	for want, parts := range map[string][]Part{
		"layer ip: field ttl: 256 is no number of 8 bits": {of("ip", "ttl", 256)},
		`layer ip: field src: "fe80::1" is no IPv4 address`: {of("ip", "src",
			"fe80::1")},
		`layer tcp: field flags: "sin" is none of the flags fin,syn,rst,psh,ack,urg,ecn,cwr,ae`: {of("tcp", "flags",
			"sin")},
		`layer ns: field slla: "x" is no link-layer address`: {of("ns", "slla",
			"x")},
		"layer ip: the options have 1 bytes too many for words of 4": {of("ip", "options",
			[]byte{1})},
		"layer ip: field length: 70020 is no number of 16 bits": {of("ip"),
			{Data: make([]byte, 70000)}},
		"layer ip: there is no field tll": {of("ip", "tll", 5)},
	} {
		if _, err := Build(parts); err == nil || err.Error() != want {
			t.Errorf("%v, not %s", err, want)
		}
	}
}

// TestTshark has Wireshark's program read a file of these frames: it finds all of them, and no checksum wrong.
func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	var frames []Frame
	for i, c := range made {
		data, err := Build(c.parts)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, Frame{time.Unix(int64(i), 5), pcapfilter.Frame{Data: data, Length: len(data)}})
	}
	name := filepath.Join(t.TempDir(), "made.pcapng")
	var file bytes.Buffer
	if err := Write(&file, "eth0", 1<<16, frames, Stats{Frames: len(frames)}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-r", name, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-o",
		"tcp.check_checksum:TRUE", "-T", "fields", "-e", "frame.number", "-e", "frame.time_epoch", "-e",
		"_ws.expert.message").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(frames) {
		t.Errorf("%d frames of %d", len(lines), len(frames))
	}
	for i, line := range lines {
		if want := fmt.Sprintf("%d\t%d.000000005", i+1, i); !strings.HasPrefix(line, want) || strings.Contains(line,
			"hecksum") {
			t.Errorf("%q, not %q", line, want)
		}
	}
}

// FuzzDecode checks that no frame crashes the decoding.
func FuzzDecode(f *testing.F) {
	for _, c := range made {
		frame, err := Build(c.parts)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) { _ = Line(Decode(frame)) })
}
