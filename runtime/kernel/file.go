package kernel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

// A File is a file or a folder that programs of a namespace see at a path, in place of what the machine has there. It
// is kept beside the journals, in a folder of the namespace's; mountFiles says how it is seen. Whatever programs put
// into it, nothing outside of that folder is read, written or removed on its account.
type File struct {
	NS   NSRef      `json:"ns"`
	Path string     `json:"path"`
	Dir  bool       `json:"dir,omitempty"`
	Text string     `json:"text,omitempty"`
	Mode uint32     `json:"mode"`
	User *proc.User `json:"user,omitempty"` // who owns it; this process's own user when nil
	Kept string     `json:"kept"`           // the folder of the namespace
	// At is where it is in that: a name drawn by lot, beside which a link with the suffix seenAt says its path; or, in
	// a folder that is such a File itself, the path there.
	At string `json:"at"`
}

// What the names of the folders begin with in which namespaces have their files: it is no lab's name.
const keptPrefix = ".files-"

// seenAt is what the name of the symbolic link ends with that leads to where a file is seen.
const seenAt = ".at"

var keptName = regexp.MustCompile(`^[0-9a-z]{1,13}(/.*)?$`)

// kept is the folder in which a namespace has its files.
func (m *Machine) kept(ns NSRef) string {
	return filepath.Join(m.Folder, keptPrefix+strconv.FormatUint(ns.Cookie, 10))
}

// ValidFilePath says what is wrong with the path of a file in a namespace.
func ValidFilePath(path string) error {
	switch top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); {
	case !filepath.IsAbs(path) || filepath.Clean(path) != path:
		return fmt.Errorf("%q is no absolute path without \".\", \"..\" and \"//\"", path)
	case strings.Contains(path, "\x00") || len(path) >= unix.PathMax:
		return fmt.Errorf("%q is no path: it has a zero byte, or %d bytes or more", path, unix.PathMax)
	case path == "/" || top == "proc" || top == "sys" || top == "dev":
		return fmt.Errorf("%s is the kernel's, or all that there is", path)
	}
	return nil
}

// ValidFileText says why a text cannot be written to a journal as it is.
func ValidFileText(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("the text is not UTF-8")
	}
	return nil
}

// Valid says what is not as nsscript writes it.
func (f *File) Valid() error {
	switch {
	case !filepath.IsAbs(f.Kept) || filepath.Clean(f.Kept) != f.Kept ||
		filepath.Base(f.Kept) != keptPrefix+strconv.FormatUint(f.NS.Cookie, 10):
		return fmt.Errorf("not the folder of a namespace's files: %q", f.Kept)
	case !keptName.MatchString(f.At) || filepath.Clean(f.At) != f.At || !filepath.IsLocal(f.At):
		return fmt.Errorf("not the place of a file: %q", f.At)
	case f.Mode&^0o1777 != 0:
		return fmt.Errorf("a file of mode %o", f.Mode)
	}
	return ValidFilePath(f.Path)
}

// What is set aside of a file has its name, or that of the folder that it is in, this sign, and letters drawn by lot.
const asideSign = "-"

// FreeAside draws a name for a file that is to be set aside.
func (f *File) FreeAside() string { return f.top() + asideSign + randomLetters() }

// ValidAside says what is wrong with a name that FreeAside is to have drawn.
func (f *File) ValidAside(name string) error {
	letters, ok := strings.CutPrefix(name, f.top()+asideSign)
	if !ok || !keptName.MatchString(letters) || strings.Contains(letters, "/") {
		return fmt.Errorf("not the name of a file set aside: %q", name)
	}
	return nil
}

// top is where the file is that it is in, or where it is itself.
func (f *File) top() string {
	top, _, _ := strings.Cut(f.At, "/")
	return top
}

func randomLetters() string { return strconv.FormatUint(rand.Uint64(), 36) }

// own reports whether it is in no other File, but is mounted itself.
func (f *File) own() bool { return !strings.Contains(f.At, "/") }

// filesRoot opens the folder of the namespace's files; a link in it leads nowhere else (os.Root).
func (m *Machine) filesRoot(f File) (*os.Root, error) {
	if f.Kept != m.kept(f.NS) {
		return nil, fmt.Errorf("not the folder of the files of %s in %s: %q", f.NS, m.Folder, f.Kept)
	}
	dir, err := os.OpenFile(f.Kept, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
}

// Files lists the files of a namespace that are mounted themselves, in the order of their paths.
func (m *Machine) Files(ns NSRef) (all []File, err error) {
	f := File{NS: ns, Kept: m.kept(ns)}
	root, err := m.filesRoot(f)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		at, link := strings.CutSuffix(name, seenAt)
		if !link {
			continue
		}
		f.Path, err = root.Readlink(name)
		if err == nil {
			var st os.FileInfo
			if st, err = root.Lstat(at); err == nil {
				f.At, f.Dir = at, st.IsDir()
				all = append(all, f)
			}
		}
		if errors.Is(err, unix.ENOENT) {
			err = nil // it is being taken away
		} else if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return all, err
}

// PlaceFile chooses where a file is kept that is to be seen at its path, or says why that cannot be.
func (m *Machine) PlaceFile(f *File) error {
	n, err := m.Namespace(f.NS)
	if err != nil {
		return f.fail(err, "add")
	}
	all, err := m.Files(f.NS)
	if err != nil {
		return f.fail(err, "add")
	}
	f.Kept, f.At = m.kept(f.NS), randomLetters()
	path := resolved(f.Path)
	for _, other := range all {
		at := resolved(other.Path)
		rest, below := strings.CutPrefix(path, at+"/")
		switch {
		case at == path:
			return &Error{Op: "add", Object: f.String(), NS: n.Name(), Err: unix.EEXIST, Hint: "it was added before"}
		case below && other.Dir:
			f.At = other.At + "/" + rest
		case below:
			return &Error{Op: "add", Object: f.String(), NS: n.Name(), Err: unix.ENOTDIR,
				Hint: other.Path + " is a file"}
		case strings.HasPrefix(at, path+"/"):
			return &Error{Op: "add", Object: f.String(), NS: n.Name(), Err: unix.EEXIST,
				Hint: fmt.Sprintf("it would hide %s: add the folder first", other.Path)}
		}
	}
	if f.own() {
		return f.fail(placeable(f.Path, f.Dir), "add")
	}
	root, err := m.filesRoot(*f)
	if err != nil {
		return f.fail(err, "add")
	}
	defer root.Close()
	if st, err := root.Stat(filepath.Dir(f.At)); err != nil || !st.IsDir() {
		return &Error{Op: "add", Object: f.String(), NS: n.Name(), Err: unix.ENOENT,
			Hint: "add the folder " + filepath.Dir(f.Path) + " first"}
	}
	if _, err := root.Lstat(f.At); err == nil {
		return &Error{Op: "add", Object: f.String(), NS: n.Name(), Err: unix.EEXIST, Hint: "it is there already"}
	}
	return nil
}

func (f *File) String() string {
	return map[bool]string{true: "folder ", false: "file "}[f.Dir] + f.Path
}

func (f *File) fail(err error, op string) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) && !filepath.IsAbs(path.Path) {
		err = path.Err // the path is f's
	}
	e := fail(err, op, f.String(), nil).(*Error)
	e.NS = f.NS.String()
	if errors.Is(err, unix.EINVAL) && f.User != nil {
		e.Hint = fmt.Sprintf("user %d is none of those in this sandbox: see `nsscript doctor`", f.User.UID)
	}
	return e
}
