package vm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// dependency is a package that apt-cache says another one depends on.
var dependency = regexp.MustCompile(`(?m)^ *Depends: (linux-image-\S+)$`)

// printed is a line of apt-get --print-uris: the address, the file's name and its size.
var printed = regexp.MustCompile(`(?m)^'[^']+' (\S+\.deb) (\d+)`)

// download has apt-get fetch a package, and verify it, unless it is in the cache.
func download(ctx context.Context, word string, say func(text string)) (Kernel, error) {
	pkg := word
	if word == Debian {
		pkg = debianPackage
	}
	failed := func(err error) (Kernel, error) {
		return Kernel{}, &Error{Op: "find kernel " + word, Err: err,
			Hint: "it needs Debian's apt-get, and `apt-get update` once; a package's file (.deb) will do, or a " +
				"bzImage with --modules DIR"}
	}
	base, err := cache()
	if err != nil {
		return Kernel{}, err
	}
	newest := filepath.Join(base, pkg)
	if k, err := unpacked(newest); err == nil && current(newest) {
		return k, nil
	}
	depends, err := output(ctx, base, "apt-cache", "depends", pkg)
	if err != nil {
		return failed(err)
	}
	versioned := pkg
	if m := dependency.FindStringSubmatch(depends); m != nil {
		versioned = m[1]
	}
	uris, err := output(ctx, base, "apt-get", "--print-uris", "download", versioned)
	if err != nil {
		return failed(err)
	}
	m := printed.FindStringSubmatch(uris)
	if m == nil {
		return failed(fmt.Errorf("apt-get knows no package %s", versioned))
	}
	name := strings.TrimSuffix(m[1], ".deb")
	k, err := cached(name, func(dir string) error {
		say(fmt.Sprintf("downloading %s", versioned))
		if _, err := output(ctx, dir, "apt-get", "download", versioned); err != nil {
			_, err := failed(err)
			return err
		}
		debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
		if err != nil || len(debs) != 1 {
			return fmt.Errorf("apt-get downloaded %d packages into %s: %w", len(debs), dir, err)
		}
		if err := unpack(ctx, debs[0], dir); err != nil {
			return err
		}
		return os.Remove(debs[0])
	})
	if err == nil {
		point(newest, name)
	}
	return k, err
}

// lists is where apt-get keeps what it knows of packages. It changes with `apt-get update`.
const lists = "/var/lib/apt/lists"

// current reports whether a link to the newest kernel was made after apt-get last learned of new ones: asking it can
// take longer than booting.
func current(newest string) bool {
	link, err1 := os.Lstat(newest)
	known, err2 := os.Stat(lists)
	return err1 == nil && err2 == nil && link.ModTime().After(known.ModTime())
}

// point makes that link. Without it, apt-get is asked again.
func point(newest, name string) {
	_ = os.Remove(newest)
	_ = os.Symlink(name, newest)
}

// unpack unpacks a package, and writes down how its modules depend on each other.
func unpack(ctx context.Context, deb, dir string) error {
	deb, err := filepath.Abs(deb)
	if err != nil {
		return err
	}
	if _, err := output(ctx, dir, "dpkg-deb", "-x", deb, "."); err != nil {
		return err
	}
	// Newer packages have them where /lib leads.
	if _, err := os.Stat(filepath.Join(dir, "lib")); errors.Is(err, fs.ErrNotExist) {
		if err := os.Symlink("usr/lib", filepath.Join(dir, "lib")); err != nil {
			return err
		}
	}
	k, err := unpacked(dir)
	if err != nil {
		return err
	}
	_, err = output(ctx, dir, "depmod", "-b", dir, filepath.Base(k.Modules))
	return err
}

// packages are those of Debian's that programs are in which a machine needs.
var packages = map[string]string{"depmod": "kmod", "modprobe": "kmod", "qemu-system-x86_64": "qemu-system-x86",
	"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg"}

// output runs a program of this machine's and returns what it prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	path, err := Program(name)
	if err != nil {
		return "", &Error{Op: "run " + name, Err: err, Hint: "apt-get install " + packages[name]}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second // for what it has started: apt-get has others fetch
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		said := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
		return "", fmt.Errorf("%s: %s", name, strings.TrimPrefix(said[len(said)-1], "E: "))
	}
	return string(out), err
}
