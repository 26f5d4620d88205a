package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/script"
)

// world is a folder with a root in it, and files outside that no label may reach.
func world(t testing.TB) (root string) {
	t.Helper()
	dir := t.TempDir()
	root = filepath.Join(dir, "root")
	for name, text := range map[string]string{"secret.star": "secret = 1", "root/a.star": "a = 1",
		"root/sub/b.star": "b = 1", "root2/c.star": "secret = 1"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out.star": "../secret.star", "in.star": "a.star", "away": ".."} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestLoad resolves labels: from the root, from the file that loads, from the standard library, and none from outside.
func TestLoad(t *testing.T) {
	root := world(t)
	for _, c := range []struct{ from, label, text, want string }{
		{"main.star", "a.star", "a = 1", ""},
		{"main.star", "sub/b.star", "b = 1", ""},
		{"main.star", "//sub/b.star", "b = 1", ""},
		{"sub/b.star", "../a.star", "a = 1", ""},
		{"sub/b.star", "//a.star", "a = 1", ""},
		{"main.star", "in.star", "a = 1", ""},
		{"main.star", "../secret.star", "", "leaves the root"},
		{"main.star", "../root2/c.star", "", "leaves the root"},
		{"main.star", "//../secret.star", "", "leaves the root"},
		{"main.star", "out.star", "", "escapes"},
		{"main.star", "away/secret.star", "", "escapes"},
		{"main.star", "/etc/passwd", "", "must be relative"},
		{"main.star", "sub", "", "no regular file"},
		{"main.star", "none.star", "", "no such file"},
		{"main.star", "a\x00.star", "", "must be relative"},
		{"main.star", `..\secret.star`, "", "must be relative"},
		{"main.star", "@other//x.star", "", "there is no library"},
		{"main.star", "@std//none.star", "", "has no none.star"},
		{"main.star", "@std//../load.go", "", "has no ../load.go"},
	} {
		name, err := script.ResolveLoad(root, filepath.Join(root, c.from), c.label)
		var src []byte
		if err == nil {
			src, err = script.ReadLoad(root, name)
		}
		switch {
		case c.want == "" && (err != nil || string(src) != c.text):
			t.Errorf("load(%q) in %s: %q, %v", c.label, c.from, src, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("load(%q) in %s: %q, %v, want %q", c.label, c.from, src, err, c.want)
		}
	}
}

// FuzzLoad looks for a label that reads a file outside the root.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"a.star", "//sub/b.star", "../secret.star", "out.star", "away/secret.star",
		"//../root2/c.star", "@std//topo.star", "sub/../../secret.star"} {
		f.Add(seed)
	}
	root := world(f)
	f.Fuzz(func(t *testing.T, label string) {
		name, err := script.ResolveLoad(root, filepath.Join(root, "main.star"), label)
		if err != nil {
			return
		}
		if src, err := script.ReadLoad(root, name); err == nil && strings.Contains(string(src), "secret") {
			t.Errorf("load(%q) read %s", label, name)
		}
	})
}
