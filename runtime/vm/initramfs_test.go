package vm

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
)

// unpackAll reads an initramfs back: of each name its mode, and what is in it.
func unpackAll(t *testing.T, from io.Reader) (names []string, modes map[string]cpio.FileMode, texts map[string]string) {
	t.Helper()
	modes, texts = map[string]cpio.FileMode{}, map[string]string{}
	for r := cpio.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, modes, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Linkname != "" {
			text = []byte(h.Linkname)
		}
		names = append(names, "/"+h.Name)
		modes["/"+h.Name], texts["/"+h.Name] = h.Mode, string(text)
	}
}

// TestTree brings a folder into an initramfs: everybody may read all of it, each folder comes before what is in it, and
// what is hidden or no file is left out.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("a.star", "print(1)\n", 0o600)
	write("lib/b.star", "", 0o644)
	write("lib/tool", "#!/bin/sh\n", 0o700)
	write(".git/config", "secret", 0o600)
	if err := os.Symlink("lib/b.star", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	a, left := newArchive(&b), int64(maxFolder)
	for range 2 { // the second time nothing is added
		if err := a.tree(dir, &left); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	names, modes, texts := unpackAll(t, &b)
	for i, name := range names {
		if parent := filepath.Dir(name); parent != "/" && !slices.Contains(names[:i], parent) {
			t.Errorf("%s comes before %s", name, parent)
		}
		if slices.Contains(names[:i], name) || strings.Contains(name, ".git") {
			t.Errorf("%s is in it, or twice", name)
		}
	}
	for name, want := range map[string]cpio.FileMode{"a.star": cpio.TypeReg | 0o644, "lib": cpio.TypeDir | 0o755,
		"lib/b.star": cpio.TypeReg | 0o644, "lib/tool": cpio.TypeReg | 0o744, "link": cpio.TypeSymlink | 0o777} {
		if got := modes[filepath.Join(dir, name)]; got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	if got := texts[filepath.Join(dir, "a.star")] + texts[filepath.Join(dir, "link")]; got != "print(1)\nlib/b.star" {
		t.Errorf("the files have %q", got)
	}
}

// TestTreeTooLarge refuses a folder that does not fit, and says what to do.
func TestTreeTooLarge(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "image"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "image"), maxFolder+1); err != nil {
		t.Fatal(err)
	}
	left := int64(maxFolder)
	err := newArchive(io.Discard).tree(dir, &left)
	if e := new(Error); !errors.As(err, &e) || e.Hint == "" || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("the error is %v", err)
	}
}
