package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstall installs nsscript and its completions somewhere else, and removes them again.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	mk := func(target string) {
		t.Helper()
		if out, err := exec.Command("make", target, "DESTDIR="+dir, "PREFIX=/opt/x").CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	mk("install")
	out, err := exec.Command(dir+"/opt/x/bin/nsscript", "--version").Output()
	if err != nil || !strings.HasPrefix(string(out), "nsscript ") {
		t.Errorf("%q, %v", out, err)
	}
	for file, want := range map[string]string{
		"bash-completion/completions/nsscript":    "__start_nsscript",
		"zsh/site-functions/_nsscript":            "#compdef nsscript",
		"fish/vendor_completions.d/nsscript.fish": "complete -c nsscript",
	} {
		if text, err := os.ReadFile(filepath.Join(dir, "opt/x/share", file)); err != nil ||
			!strings.Contains(string(text), want) {
			t.Errorf("%s: %v, want %q in it", file, err, want)
		}
	}
	mk("uninstall")
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
