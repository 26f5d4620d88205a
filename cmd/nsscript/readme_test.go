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
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```python\n")
	example, _, found := strings.Cut(example, "```")
	lab := filepath.Join(t.TempDir(), "lab.star")
	if !found {
		t.Fatal("the README has no example")
	}
	if err := os.WriteFile(lab, []byte(example), 0o644); err != nil {
		t.Fatal(err)
	}
	meant := strings.NewReplacer("FILE.star", lab, "FILE...", lab, "[ARGS]", "one two", "'CODE'", "print(args)", "LAB", "lab", "NS", "router", "CMD", "true", "[NAME]", "ping")
	before := nstest.Dump(t)
	ran := 0
	for _, line := range regexp.MustCompile(`(?m)^    nsscript (.*?)(?:  .*)?$`).FindAllStringSubmatch(string(text), -1) {
		for _, command := range strings.Split(line[1], " | ") {
			args := strings.Fields(meant.Replace(command))
			switch args[0] {
			case "show", "down", "exec", "--replace":
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
