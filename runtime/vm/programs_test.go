package vm

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPrograms finds the programs in a script's text, and in that of a file which it loads.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "other.star"), []byte(`def f(ns): run(ns, ["cat", "/proc/uptime"])`),
		0o600); err != nil {
		t.Fatal(err)
	}
	src := `load("other.star", "f")
names = ["no-such-program", "tail"]
f(netns())
run(host, ["sh", "-c", "ls -l | head -1; $(true)", name])
run(host, [name, "sed"])
nft(host, "flush ruleset")
`
	var found []string
	for _, path := range Programs(dir, filepath.Join(dir, "main.star"), []byte(src)) {
		found = append(found, filepath.Base(path))
	}
	slices.Sort(found)
	want := []string{"cat", "head", "ls", "sh", "true"}
	if _, err := Program("nft"); err == nil {
		want = []string{"cat", "head", "ls", "nft", "sh", "true"}
	}
	if !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}

// TestLinked brings programs along with all that they need to run.
func TestLinked(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "tool")
	if err := os.WriteFile(tool, []byte("#!/usr/bin/env sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	a := newArchive(&b)
	if err := a.program(tool, tool); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	names, _, _ := unpackAll(t, &b)
	sh, err := Program("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{tool, "/usr/bin/env", sh} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing in %q", want, names)
		}
	}
	if interpreter, _, err := linked(sh); err != nil || interpreter != "" &&
		!slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "libc.so") }) {
		t.Errorf("libc is missing in %q: %v", names, err)
	}
}
