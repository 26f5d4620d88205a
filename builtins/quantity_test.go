package builtins

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// quantities are what tc(8) takes, and how the same is written by us.
var quantities = []struct{ kind, text, written string }{
	{"rate", "10mbit", "10mbit"}, {"rate", "1.5Mbit", "1500kbit"}, {"rate", "8bit", "8bit"},
	{"rate", "64Kibit", "65536bit"},
	{"rate", "100gbit", "100gbit"}, {"rate", "1MBps", "8mbit"}, {"rate", "1kibps", "8192bit"},
	{"rate", "2tbit", "2tbit"},
	{"size", "64kb", "64kb"}, {"size", "10k", "10kb"}, {"size", "1500b", "1500b"}, {"size", "1mbit", "128kb"},
	{"size", "1.5mb", "1536kb"}, {"size", "0b", "0b"}, {"size", "2g", "2048mb"},
	{"percent", "1%", "1%"}, {"percent", "0.5%", "0.5%"}, {"percent", "100%", "100%"}, {"percent", "0%", "0%"},
	{"percent", "33.333%", "33.333%"}, {"percent", "0.000001%", "0.000001%"},
	{"time", "10ms", "10ms"}, {"time", "1.5ms", "1500us"}, {"time", "3sec", "3s"}, {"time", "7ns", "7ns"},
	{"time", "2usecs", "2us"},
	{"rate", "10", ""}, {"rate", "mbit", ""}, {"rate", "0mbit", ""}, {"rate", "1bit", ""}, {"rate", "-1mbit", ""},
	{"rate", "1e3bit", ""}, {"rate", "1/2mbit", ""}, {"rate", "99999999tbit", ""}, {"rate", "10 mbit", ""},
	{"size", "10", ""}, {"size", "0.1b", ""}, {"size", "5gb", ""}, {"size", "0x10b", ""},
	{"percent", "1", ""}, {"percent", "101%", ""}, {"percent", "-1%", ""}, {"percent", "%", ""},
	{"percent", "1.%.", ""},
	{"time", "10", ""}, {"time", "-1ms", ""}, {"time", "1ms ", ""},
}

// quantityOf is a new quantity of a kind.
func quantityOf(kind string) interface {
	kindAttr
	starlark.Unpacker
} {
	switch kind {
	case "rate":
		return new(rateIn[width64])
	case "size":
		return new(sizeIn[width32])
	case "percent":
		return new(percent)
	}
	return new(tcTime[inNanoseconds, width64])
}

func TestQuantities(t *testing.T) {
	for _, q := range quantities {
		a := quantityOf(q.kind)
		err := a.Unpack(starlark.String(q.text))
		if (err == nil) != (q.written != "") {
			t.Errorf("%s %q: %v", q.kind, q.text, err)
			continue
		}
		if err != nil && !strings.Contains(err.Error(), q.text) {
			t.Errorf("%s %q: %v does not say what was given", q.kind, q.text, err)
		}
		if got, _ := starlark.AsString(a.value()); err == nil && got != q.written {
			t.Errorf("%s %q is written %q, want %q", q.kind, q.text, got, q.written)
		}
	}
	for _, kind := range []string{"rate", "size", "percent", "time"} {
		if err := quantityOf(kind).Unpack(starlark.MakeInt(10)); err == nil != (kind == "size") {
			t.Errorf("%s 10: %v", kind, err)
		}
	}
}

// FuzzQuantities reads a text as each quantity: what is taken is the same when it is read from what is written of it,
// and from the kernel's bytes.
func FuzzQuantities(f *testing.F) {
	for _, q := range quantities {
		f.Add(q.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []string{"rate", "size", "percent", "time"} {
			a, b, c := quantityOf(kind), quantityOf(kind), quantityOf(kind)
			if a.Unpack(starlark.String(text)) != nil {
				continue
			}
			if err := b.Unpack(a.value()); err != nil || string(b.encode()) != string(a.encode()) {
				t.Errorf("%s %q is written %s, and that is %s: %v", kind, text, a.value(), b.value(), err)
			}
			if c.decode(a.encode()); c.value() != a.value() {
				t.Errorf("%s %q is %s, and %s when it was read", kind, text, a.value(), c.value())
			}
		}
	})
}

// TestNetemTables compares how jitter is spread with iproute2's tables, where they are installed. Those were made in
// steps of less than a unit.
func TestNetemTables(t *testing.T) {
	for _, name := range []string{"normal", "pareto", "paretonormal"} {
		var want []int
		files, _ := filepath.Glob("/usr/lib*/*tc/" + name + ".dist")
		more, _ := filepath.Glob("/usr/lib/*/tc/" + name + ".dist")
		for _, file := range append(files, more...) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if !strings.HasPrefix(line, "#") {
					for _, word := range strings.Fields(line) {
						want = append(want, atoi(word))
					}
				}
			}
		}
		if want == nil {
			t.Skip("iproute2's tables are not installed")
		}
		table := netemTable(name).encode()
		if len(table) != 2*len(want) {
			t.Fatalf("%s has %d numbers, want %d", name, len(table)/2, len(want))
		}
		for i, w := range want {
			if have := int(int16(binary.NativeEndian.Uint16(table[2*i:]))); have < w-1 || have > w+1 {
				t.Errorf("%s: number %d is %d, want %d", name, i, have, w)
			}
		}
	}
}
