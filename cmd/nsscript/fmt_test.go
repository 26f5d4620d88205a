package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFmtPipe lays out what comes in, and says by its exit code what became of it.
func TestFmtPipe(t *testing.T) {
	for _, c := range []struct {
		args          []string
		in, out, errs string
		code          int
	}{
		{nil, "x=1", "x = 1\n", "", 0},
		{[]string{"-"}, "x=1", "x = 1\n", "", 0},
		{[]string{"--check"}, "x = 1\n", "", "", 0},
		{[]string{"--check", "-"}, "x=1\n", "<stdin>\n", "", 1},
		{[]string{"-d"}, "x=1\n", "--- <stdin>\n+++ <stdin> (laid out)\n@@ -1,1 +1,1 @@\n-x=1\n+x = 1\n", "", 0},
		{nil, "x =\n", "", "<stdin>:1:4: got newline", 2},
		{nil, "x = b'1'\n", "", "<stdin>:1:5: a literal of bytes", 2},
		{[]string{"--nope"}, "", "", "unknown flag", 2},
	} {
		cmd := nsscript(append([]string{"fmt"}, c.args...)...)
		var errs strings.Builder
		cmd.Stdin, cmd.Stderr = strings.NewReader(c.in), &errs
		out, err := cmd.Output()
		code := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if string(out) != c.out || !strings.Contains(errs.String(), c.errs) || code != c.code {
			t.Errorf("fmt %v of %q: %q, %q, exit code %d; want %q, %q, %d", c.args, c.in, out, errs.String(), code,
				c.out, c.errs, c.code)
		}
	}
	if _, code := outcome(t, nsscript("check", "testdata/suite/wrong.star")); code != exitUsage {
		t.Errorf("check: exit code %d, want %d", code, exitUsage)
	}
}

// TestFmtReplaces lays out a file by a link: the link stays one, the file keeps its mode, and nothing is left beside
// it.
func TestFmtReplaces(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.star"), filepath.Join(dir, "link.star")
	if err := errors.Join(os.WriteFile(file, []byte("x=1\n"), 0o600), os.Chmod(file, 0o751),
		os.Symlink("real.star", link)); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(file) // who has it open goes on reading the old text
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if out, err := nsscript("fmt", link).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o751 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if to, err := os.Readlink(link); err != nil || to != "real.star" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	old := make([]byte, 16)
	n, _ := before.Read(old)
	now, err := os.ReadFile(file)
	if string(old[:n]) != "x=1\n" || string(now) != "x = 1\n" || err != nil {
		t.Errorf("before %q, now %q, %v", old[:n], now, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestFmtKeeps lays out files that have another owner, another mode or another name, and one behind a symbolic link:
// they keep those.
func TestFmtKeeps(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.star")
	for _, c := range []struct {
		name string
		set  func() error
		by   string // what is laid out
	}{
		{"mode", func() error { return os.Chmod(file, 0o640) }, file},
		{"hard link", func() error { return os.Link(file, dir+"/b") }, file},
		{"symbolic link", func() error { return os.Symlink("a.star", dir+"/c.star") }, dir + "/c.star"},
		{"owner", func() error { return os.Chown(file, 65534, 65534) }, file},
	} {
		if err := os.WriteFile(file, []byte("x=1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := c.set(); c.name == "owner" && err != nil {
			continue // there are no other users in this user namespace
		} else if err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := nsscript("fmt", c.by).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		after, err := os.Lstat(file)
		text, err2 := os.ReadFile(c.by)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		was, is := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
		if string(text) != "x = 1\n" || was.Uid != is.Uid || was.Gid != is.Gid || was.Mode != is.Mode ||
			was.Nlink != is.Nlink {
			t.Errorf("%s: %q, %+v, was %+v", c.name, text, is, was)
		}
		if link, err := os.Lstat(c.by); err != nil || c.by != file && link.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s: %v, %v", c.name, link.Mode(), err)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 3 {
		t.Errorf("%v, %v", names, err)
	}
}
