package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == inside {
		main()
		return
	}
	nstest.Main(m)
}

// TestKills kills each of those that need nothing but iproute2 a few times.
func TestKills(t *testing.T) {
	nsscript := filepath.Join(t.TempDir(), "nsscript")
	if out, err := exec.Command("go", "build", "-o", nsscript, "../../cmd/nsscript").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	before := nstest.Dump(t)
	for _, w := range ways(nsscript) {
		if w.Needs == "mn" {
			continue
		}
		stages, err := kills(io.Discard, w, 2)
		if err != nil {
			t.Fatalf("%s: %v", w.Name, err)
		}
		for i, changes := range stages {
			// What nobody cleans up after is left by the first kill, in the middle of building.
			lasting := w.Needs == "ip" || w.All && i == 0
			if c := changes[0]; lasting == (len(c.Left) == 0) {
				t.Errorf("%s, stage %d: left %q", w.Name, i, c.Left)
			}
			for k, c := range changes {
				if len(c.Damage) > 0 || !lasting && len(c.Left) > 0 {
					t.Errorf("%s, stage %d, kill %d: left %q, damage %q", w.Name, i, k, c.Left, c.Damage)
				}
			}
		}
	}
	nstest.Same(t, before)
}

// TestChange checks that what is gone, new or changed is seen.
func TestChange(t *testing.T) {
	before := inventory{"link a": "", "link b": "", "sysctl x": "0", "sysctl y": "0"}
	c := before.change(inventory{"link a": "", "link c": "", "sysctl x": "1", "sysctl z": "1"})
	if strings.Join(c.Left, ",") != "link c,sysctl x" || strings.Join(c.Damage, ",") != "link b" {
		t.Errorf("%+v", c)
	}
}

// TestDocs checks that the page has the table that the program prints.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/crash-safety.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := append([]string{"go run ./bench/kills"}, headings...)
	for _, w := range ways("") {
		rows = append(rows, "| "+w.Name+" ")
		if w.Fixed != "" {
			rows = append(rows, "| "+w.Fixed+" ")
		}
	}
	for _, r := range rows {
		if !bytes.Contains(page, []byte(r)) {
			t.Errorf("docs/crash-safety.md has no %q", r)
		}
	}
}
