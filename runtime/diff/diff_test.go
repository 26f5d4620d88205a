package diff_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/diff"
)

func TestUnified(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		t.Skip("there is no patch")
	}
	long := strings.Repeat("same\n", 10)
	var count strings.Builder
	for i := range 40 {
		count.WriteString(strings.Repeat("x", i) + "\n")
	}
	n := count.String()
	for _, c := range [][2]string{
		{"a\n", "b\n"}, {"", "a\n"}, {"a\n", ""}, {"a", "a\n"}, {"a\nb", "a\nc"},
		{long + "x\n" + long, long + "y\n" + long},
		{"x\n" + long + "y\n", "z\n" + long + "w\n"},
		{"a\nb\nc\nd\n", "a\nx\nc\nd\ne\n"},
		{n, strings.Replace(n, "\nxxxxx\n", "\n", 1)},
		{n, strings.Replace(strings.Replace(n, "\nxxx\n", "\nyyy\n", 1), "\nxxxxxxxxxxxxxxxxxxxx\n",
			"\nnew\nxxxxxxxxxxxxxxxxxxxx\n", 1)},
		{n + n, n}, {n, n + n}, {n, long}, {"a\nb\n" + n, n + "b\na\n"},
	} {
		text := diff.Unified("a", c[0], "b", c[1])
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(c[0]), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("patch", "-s", "--fuzz=0", "-o", file+".new", file)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		got, e := os.ReadFile(file + ".new")
		if c[1] == "" && errors.Is(e, os.ErrNotExist) {
			e = nil // patch removes what becomes empty
		}
		if err != nil || e != nil || string(got) != c[1] {
			t.Errorf("%q to %q: %v %v %s\n%s", c[0], c[1], err, e, out, text)
		}
	}
	if d := diff.Unified("a", n, "b", n); d != "" {
		t.Error(d)
	}
	if d := diff.Unified("a", long+"x\n"+long, "b", long+"y\n"+long); !strings.Contains(d,
		"@@ -8,7 +8,7 @@\n same\n same\n same\n-x\n+y\n same\n") {
		t.Error(d)
	}
}
