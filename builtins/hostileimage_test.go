package builtins

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestHostileImages has an image with something wrong in it restored.
func TestHostileImages(t *testing.T) {
	v := newVictims(t)
	before := v.state(t)
	for _, c := range []struct {
		want string
		harm func(img *kernel.Image)
	}{
		{"", func(*kernel.Image) {}},
		{"", func(img *kernel.Image) { delete(img.Attrs, "alias") }},
		{"is no name of a link", func(img *kernel.Image) {
			img.Attrs["name"] = ".."
			img.Sysctls["net/ipv4/conf//ip_default_ttl"] = "7"
		}},
		{"is no name of a link", func(img *kernel.Image) { img.Attrs["name"] = "a/b" }},
		{"is no mtu of a link", func(img *kernel.Image) { img.Attrs["mtu"] = "-1" }},
		{"is no group of a link", func(img *kernel.Image) { img.Attrs["group"] = "99999999999" }},
		{"is no mac of a link", func(img *kernel.Image) { img.Attrs["mac"] = "02:00\n" }},
		{"is no up of a link", func(img *kernel.Image) { img.Attrs["up"] = "maybe" }},
		{"alias of 256 bytes", func(img *kernel.Image) { img.Attrs["alias"] = strings.Repeat("x", 256) }},
		{"has the sysctl", func(img *kernel.Image) { img.Sysctls["net/ipv4/conf//../../ip_default_ttl"] = "7" }},
		{"has the sysctl", func(img *kernel.Image) { img.Sysctls["net/ipv4//ip_default_ttl"] = "7" }},
		{"has the sysctl", func(img *kernel.Image) { img.Sysctls["kernel//core_pattern"] = "7" }},
		{"too short", func(img *kernel.Image) { img.Parts["addr"] = append(img.Parts["addr"], nil) }},
		{"too short", func(img *kernel.Image) { img.Parts["addr"][0] = img.Parts["addr"][0][:7] }},
		{"no attribute at byte", func(img *kernel.Image) {
			img.Parts["addr"][0] = img.Parts["addr"][0][:len(img.Parts["addr"][0])-2]
		}},
		{"of another link", func(img *kernel.Image) { img.Parts["addr"][0][4]++ }},
		{"of family 7", func(img *kernel.Image) { img.Parts["addr"][0][0] = 7 }},
		{"too short", func(img *kernel.Image) { img.Parts["route"] = append(img.Parts["route"], make([]byte, 11)) }},
		{"of family 0", func(img *kernel.Image) { img.Parts["route"] = append(img.Parts["route"], make([]byte, 12)) }},
		{"too short", func(img *kernel.Image) { img.Parts["neigh"] = append(img.Parts["neigh"], make([]byte, 11)) }},
		{"of another link", func(img *kernel.Image) {
			img.Parts["neigh"] = append(img.Parts["neigh"], make([]byte, 12))
		}},
		{"too short", func(img *kernel.Image) {
			img.Ports = append(img.Ports, kernel.Port{LinkRef: img.Link, Parts: map[string][][]byte{"port fdb": {{7}}}})
		}},
		{"of another link", func(img *kernel.Image) {
			img.Port = &kernel.Port{LinkRef: img.Link, Parts: map[string][][]byte{"port fdb": {make([]byte, 12)}}}
		}},
		{"of another link", func(img *kernel.Image) {
			img.Parts["fdb"] = [][]byte{append([]byte{7}, make([]byte, 11)...)}
		}},
		{`has the part "port fdb"`, func(img *kernel.Image) { img.Parts["port fdb"] = nil }},
		{`has the part "rule"`, func(img *kernel.Image) { img.Parts["rule"] = nil }},
		{`has the part "evil"`, func(img *kernel.Image) { img.Parts["evil"] = nil }},
		{"has the altname", func(img *kernel.Image) { img.Altnames = []string{"a/b"} }},
		{"-5 is no index", func(img *kernel.Image) {
			img.Unheld = []kernel.Unheld{{Link: kernel.LinkRef{NS: img.Link.NS, Index: -5, Name: "x"}}}
		}},
		{"-5 is no index", func(img *kernel.Image) { img.Link.Index = -5 }},
		{"no attribute at byte", func(img *kernel.Image) { img.Info = []byte{200, 0, 1, 0} }},
		{"too many", func(img *kernel.Image) { img.Info = make([]byte, 1<<20) }},
	} {
		var img kernel.Image
		if err := json.Unmarshal([]byte(v.words.Replace("IMAGE")), &img); err != nil {
			t.Fatal(err)
		}
		c.harm(&img)
		data, err := json.Marshal(&img)
		if err != nil {
			t.Fatal(err)
		}
		labs := plant(t, "evil",
			record{"link set", v.words.Replace(`{"link":LINK,"attr":"txqlen","value":"1000","old":"1000","image":`) +
				string(data) + "}"})
		found, err := labs.Recover()
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		err = found[0].Err
		if c.want == "" && (err != nil || len(found[0].Left) > 0) ||
			c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("said %v, %v, want %q", err, found[0].Left, c.want)
		}
		if c.want != "" {
			unplant(t, "evil")
		}
		if after := v.state(t); after != before {
			t.Fatalf("%s:\n%s", c.want, nstest.Diff(before, after))
		}
	}
}
