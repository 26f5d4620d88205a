package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
)

// A Kernel is what a machine boots.
type Kernel struct {
	Image   string // a bzImage
	Modules string // its lib/modules/RELEASE, with modules.dep; empty when it needs none
}

// Debian is the kernel that is meant by "debian".
const Debian = "debian"

// debianPackage depends on the newest of Debian's kernels for virtual machines. They have nearly all for networks.
const debianPackage = "linux-image-cloud-amd64"

// Find finds the kernel that a word of the command line means: "debian" or the name of a package linux-image-..., which
// apt-get downloads and verifies, the file of such a package, or a bzImage, whose modules are in the given folder. What
// is downloaded and unpacked is kept in the user's cache. say is told what takes time.
func Find(ctx context.Context, word, modules string, say func(text string)) (Kernel, error) {
	if goruntime.GOARCH != "amd64" {
		return Kernel{}, &Error{Op: "find kernel " + word, Err: errors.New("virtual machines are amd64's only so far")}
	}
	k, err := find(ctx, word, modules, say)
	if err != nil && !errors.As(err, new(*Error)) {
		err = &Error{Op: "find kernel " + word, Err: err}
	}
	return k, err
}

func find(ctx context.Context, word, modules string, say func(text string)) (Kernel, error) {
	pkg := word == Debian || strings.HasPrefix(word, "linux-image-") && !strings.HasSuffix(word, ".deb")
	switch {
	case modules != "" && (pkg || strings.HasSuffix(word, ".deb")):
		return Kernel{}, errors.New("--modules is for a bzImage: a package has its modules in it")
	case pkg:
		return download(ctx, word, say)
	case strings.HasSuffix(word, ".deb"):
		content, err := os.ReadFile(word)
		if err != nil {
			return Kernel{}, err
		}
		sum := sha256.Sum256(content)
		name := strings.TrimSuffix(filepath.Base(word), ".deb") + "-" + hex.EncodeToString(sum[:6])
		return cached(name, func(dir string) error { return unpack(ctx, word, dir) })
	}
	if _, err := os.Stat(word); errors.Is(err, fs.ErrNotExist) {
		return Kernel{}, &Error{Op: "find kernel " + word, Err: err,
			Hint: "it is debian, a package's name (linux-image-...), a .deb, or a bzImage with --modules DIR"}
	} else if err != nil {
		return Kernel{}, err
	}
	if modules == "" {
		return Kernel{Image: word}, nil
	}
	modules, err := filepath.Abs(modules)
	return Kernel{Image: word, Modules: modules}, err
}

// cached is the kernel of a name in the user's cache, where fill puts it into a folder unless it is there. Several
// processes may fill it at once: the first one's stays.
func cached(name string, fill func(dir string) error) (Kernel, error) {
	base, err := cache()
	if err != nil {
		return Kernel{}, err
	}
	dir := filepath.Join(base, name)
	if k, err := unpacked(dir); err == nil {
		return k, nil
	}
	tmp, err := os.MkdirTemp(base, ".new-")
	if err != nil {
		return Kernel{}, err
	}
	defer os.RemoveAll(tmp)
	if err := fill(tmp); err != nil {
		return Kernel{}, err
	}
	if _, err := unpacked(tmp); err != nil {
		return Kernel{}, err
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return Kernel{}, err
	}
	return unpacked(dir)
}

// cache is the folder that kernels are kept in.
func cache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: kernels are kept below it", err)
	}
	dir := filepath.Join(base, "nsscript", "kernels")
	return dir, os.MkdirAll(dir, 0o755)
}

// unpacked is the kernel in the folder that a package was unpacked into.
func unpacked(dir string) (k Kernel, err error) {
	for pattern, to := range map[string]*string{"boot/vmlinuz-*": &k.Image, "lib/modules/*": &k.Modules} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return k, err
		}
		if len(found) != 1 {
			return k, fmt.Errorf("it has %d files %s, want one: this is no kernel's package", len(found), pattern)
		}
		*to = found[0]
	}
	return k, nil
}
