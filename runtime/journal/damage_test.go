package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestTorn cuts a journal at every byte: what is left are the whole records, and no error. A header cannot be torn.
func TestTorn(t *testing.T) {
	text := sample(t)
	_, all, _, _ := Decode(text)
	header := bytes.IndexByte(text, '\n') + 1
	for n := range text {
		_, records, end, err := Decode(text[:n])
		if n < header {
			var damage *DamageError
			if !errors.As(err, &damage) || records != nil {
				t.Fatalf("cut at byte %d: %d records, %v", n, len(records), err)
			}
			continue
		}
		whole := bytes.LastIndexByte(text[:n], '\n') + 1
		if err != nil || end.Size != whole || len(records) != bytes.Count(text[:n], []byte("\n"))-1 ||
			!reflect.DeepEqual(records, all[:len(records)]) && len(records) > 0 {
			t.Fatalf("cut at byte %d: %d records, %d bytes, %v", n, len(records), end.Size, err)
		}
	}
}

// TestFlipped changes each byte in every way that there is, in the short run by a bit: it is always seen.
func TestFlipped(t *testing.T) {
	text := sample(t)
	var flips []int
	for flip := 1; flip < 256; flip++ {
		if !testing.Short() || flip&(flip-1) == 0 {
			flips = append(flips, flip)
		}
	}
	for n := range text {
		for _, flip := range flips {
			bad := bytes.Clone(text)
			bad[n] ^= byte(flip)
			_, records, _, err := Decode(bad)
			line := bytes.LastIndexByte(text[:n], '\n') + 1
			var damage *DamageError
			if !errors.As(err, &damage) || records != nil || damage.Offset != int64(line) {
				t.Fatalf("byte %d ^ %#x of the line at %d: %d records, %v", n, flip, line, len(records), err)
			}
		}
	}
}

// TestHostile gives journals whose checksums are right, and nothing else.
func TestHostile(t *testing.T) {
	header := `{"version":7,"name":"lab","boot":"b","pid":1,"start":"2026-01-01T00:00:00Z","host_ns":1}`
	intent := `{"state":"intent","seq":1,"kind":"k","data":{}}`
	for _, c := range []struct {
		want  string
		lines []string
	}{
		{"", []string{header, intent, `{"state":"failed","seq":1}`, `{"state":"kept"}`}},
		{"version 1", []string{strings.Replace(header, `"version":7`, `"version":1`, 1)}},
		{"version 0", []string{"null"}},
		{"version 0", []string{"{}"}},
		{"unknown field", []string{strings.Replace(header, "pid", "evil", 1)}},
		{"cannot unmarshal", []string{"[]"}},
		{"cannot unmarshal", []string{strings.Replace(header, `"pid":1`, `"pid":"1"`, 1)}},
		{"cannot unmarshal", []string{strings.Replace(header, `"host_ns":1`, `"host_ns":-1`, 1)}},
		{"parsing time", []string{strings.Replace(header, "2026", "x", 1)}},
		{"unknown state \"intend\"", []string{header, `{"state":"intend","seq":1}`}},
		{"unknown state", []string{header, "null"}},
		{"cannot unmarshal", []string{header, `"intent"`}},
		{"unknown field", []string{header, `{"state":"kept","when":1}`}},
		{"follows the record", []string{header, intent + intent}},
		{"follows the record", []string{header, intent + "]"}},
		{"no checksum", []string{header, ""}},
		{"EOF", []string{header, intent[:20]}},
		{"change 0 follows change 0", []string{header, `{"state":"intent","kind":"k"}`}},
		{"change -1 follows change 0", []string{header, `{"state":"intent","seq":-1}`}},
		{"change 2 follows change 0", []string{header, strings.Replace(intent, "1", "2", 1)}},
		{"change 1 follows change 1", []string{header, intent, intent}},
		{"follows change 0", []string{header, strings.Replace(intent, "1", "9223372036854775807", 1)}},
		{"cannot unmarshal", []string{header, strings.Replace(intent, "1", "9223372036854775808", 1)}},
		{"cannot unmarshal", []string{header, strings.Replace(intent, "1", "1.5", 1)}},
		{"change 1 is undone but was not open", []string{header, `{"state":"undone","seq":1}`}},
		{"change 2 is failed but was not open", []string{header, intent, `{"state":"failed","seq":2}`}},
		{"change 1 is failed but was not open",
			[]string{header, intent, `{"state":"undone","seq":1}`, `{"state":"failed","seq":1}`}},
	} {
		var text string
		for _, l := range c.lines {
			text += "00000000 " + l + "\n"
		}
		_, records, _, err := Decode(rechecked(text))
		if c.want == "" && err != nil ||
			c.want != "" && (records != nil || err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %d records, %v, want %q", c.lines, len(records), err, c.want)
		}
	}
}

// TestOtherVersion reads a header that a later version may write, with a field that this one does not know: it is said
// to be of that version, not damaged, and nothing of it is acted on. Its owner can give it up.
func TestOtherVersion(t *testing.T) {
	text := rechecked(`00000000 {"version":9,"name":"lab","more":1}` + "\n" + `00000000 {"state":"later"}` + "\n")
	d := folder(t, map[string]string{file: string(text)})
	e, ok, err := d.Find("lab")
	var other *VersionError
	if err != nil || !ok || !errors.As(e.Err, &other) || other.Version != 9 || other.File != d.file("lab", file) {
		t.Fatalf("found %+v, %v, %v", e, ok, err)
	}
	if _, _, err := d.Claim("lab"); !errors.As(err, &other) {
		t.Errorf("claim: %v", err)
	}
	if _, err := d.Create(Header{Name: "lab"}); !errors.As(err, &other) {
		t.Errorf("create: %v", err)
	}
	if err := d.Forget("lab"); err != nil {
		t.Errorf("forget: %v", err)
	}
}

// TestNoJournal finds under a journal's name what is none: it is named, never waited for, and let be.
func TestNoJournal(t *testing.T) {
	other := strings.ReplaceAll(string(sample(t)), `"lab"`, `"lob"`)
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"empty": {func(path string) error { return os.WriteFile(path, nil, 0o600) },
			"damaged at byte 0: it has no whole header"},
		"other lab": {func(path string) error { return os.WriteFile(path, rechecked(other), 0o600) },
			`damaged at byte 0: it is of lab "lob"`},
		"FIFO":    {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "no regular file"},
		"folder":  {func(path string) error { return os.Mkdir(path, 0o700) }, "no regular file"},
		"symlink": {func(path string) error { return os.Symlink("/dev/null", path) }, "too many levels"},
	} {
		d := folder(t, nil)
		path := d.file("lab", file)
		if err := c.make(path); err != nil {
			t.Fatal(err)
		}
		all, err := d.List()
		if err != nil || len(all) != 1 || all[0].Err == nil || !strings.Contains(all[0].Err.Error(), c.want) ||
			!strings.Contains(all[0].Err.Error(), path) {
			t.Errorf("%s: listed %+v, %v, want %q", name, all, err, c.want)
		}
		if _, e, err := d.Claim("lab"); err == nil || e.Records != nil && name != "other lab" {
			t.Errorf("%s: claimed %+v, %v", name, e, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// rechecked gives the lines of a journal that was changed their right checksums.
func rechecked(text string) (out []byte) {
	sum := uint32(0)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line[min(9, len(line)):], "\n")
		sum = crc32.Update(sum, castagnoli, []byte(line))
		out = fmt.Appendf(out, "%08x %s\n", sum, line)
	}
	return out
}

// TestLines loses, doubles and moves whole lines: that is always seen, but for lines that are lost at the end.
func TestLines(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(string(sample(t)), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	seen := func(how string, i int, bad ...[]string) {
		t.Helper()
		text := strings.Join(slices.Concat(bad...), "")
		var damage *DamageError
		if _, records, _, err := Decode([]byte(text)); !errors.As(err, &damage) {
			t.Errorf("line %d %s: %d records, %v", i, how, len(records), err)
		}
	}
	for i := range lines {
		if i < len(lines)-1 {
			seen("lost", i, lines[:i], lines[i+1:])
			seen("moved", i, lines[:i], lines[i+1:i+2], lines[i:i+1], lines[i+2:])
		}
		seen("doubled", i, lines[:i+1], lines[i:])
	}
}
