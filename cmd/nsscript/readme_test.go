package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestReadme runs every nsscript command that the README shows, on the README's own script.
func TestReadme(t *testing.T) {
	nstest.Unraced(t)
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lab := filepath.Join(t.TempDir(), "lab.star")
	if err := os.WriteFile(lab, example(t, string(text)), 0o644); err != nil {
		t.Fatal(err)
	}
	meant := strings.NewReplacer("FILE.star", lab, "FILE|DIR...", lab, "[ARGS]", "one two", "'CODE'", "print(args)",
		"LAB", "lab", "NS", "router", "CMD", "true", "[NAME]", "ping", "PATH...", lab, "SHELL", "bash")
	before := nstest.Dump(t)
	_, rest, _ := strings.Cut(string(text), "```python\n")
	for i := 2; strings.Contains(rest, "```python\n"); i++ {
		more := filepath.Join(t.TempDir(), "more.star")
		if err := os.WriteFile(more, example(t, rest), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := nsscript("--rm", more).CombinedOutput(); err != nil {
			t.Errorf("script %d: %v\n%s", i, err, out)
		}
		_, rest, _ = strings.Cut(rest, "```python\n")
	}
	ran := 0
	for _, line := range regexp.MustCompile(`(?m)^    nsscript (.*?)(?:  .*)?$`).FindAllStringSubmatch(string(text),
		-1) {
		for _, command := range strings.Split(line[1], " | ") {
			args := strings.Fields(meant.Replace(command))
			switch args[0] {
			case "--kernel": // which no test without a network can have: see TestKernelScript
				continue
			case "tmux": // whose server stays: see TestTmux
				continue
			case "show", "down", "exec", "shell", "ps", "--replace":
				if out, err := nsscript("-q", lab).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			out, err := nsscript(args...).CombinedOutput()
			if err != nil {
				t.Errorf("nsscript %s: %v\n%s", command, err, out)
			}
			ran++
			if out, err := nsscript("ls").Output(); err != nil || strings.Contains(string(out), "lab ") {
				if out, err := nsscript("down", "lab").CombinedOutput(); err != nil {
					t.Fatalf("down: %v\n%s", err, out)
				}
			}
			nstest.Same(t, before)
		}
	}
	if ran < 11 {
		t.Errorf("only %d commands were found in the README", ran)
	}
}

// example is the script that a page shows.
func example(t *testing.T, page string) []byte {
	t.Helper()
	_, text, _ := strings.Cut(page, "```python\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("the page has no example")
	}
	return []byte(text)
}

// TestCIPage runs the tests that the page about CI shows.
func TestCIPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "routing.star")
	if err := os.WriteFile(file, example(t, string(text)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := outcome(t, nsscript("test", "--strict", filepath.Dir(file))); code != 0 ||
		!strings.Contains(out, "2 passed") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, flag := range regexp.MustCompile("`--?([a-z-]+)").FindAllStringSubmatch(string(text), -1) {
		if cmd := testCommand(); cmd.Flags().Lookup(flag[1]) == nil && cmd.Flags().ShorthandLookup(flag[1]) == nil {
			t.Errorf("test has no flag %s", flag[0])
		}
	}
}
