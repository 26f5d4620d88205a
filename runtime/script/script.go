package script

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

//go:embed std/*.star
var Std embed.FS

const (
	StdPrefix = "@std//"
	MaxSource = 1 << 20 // bytes that a script may have
	MaxDepth  = 32
	// mostFindings is more than anybody reads: a text of a megabyte can have hundreds of thousands.
	mostFindings = 1000
)

// dialect is the Starlark that scenarios are written in.
var dialect = &syntax.FileOptions{Set: true, GlobalReassign: true, TopLevelControl: true, Recursion: true}

// Sources remembers the text of files, for errors to show.
type Sources map[string]string

// ParseFile reads a script's syntax, as Parse does, but gives its names no meaning. The error is a *SyntaxError.
func ParseFile(name string, src []byte) (*syntax.File, error) {
	text := string(src)
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, &SyntaxError{Sources: Sources{},
			List: []Finding{{Pos: syntax.MakePosition(&name, 1, 1), Msg: "this is no text: a script is UTF-8"}}}
	}
	return ParseIn(dialect, name, text)
}

// ParseIn reads the syntax of a text in a dialect. The error is a *SyntaxError.
func ParseIn(d *syntax.FileOptions, name, text string) (*syntax.File, error) {
	f, err := d.Parse(name, text, 0)
	if err != nil {
		return nil, NewSyntaxError(err, name, text, nil)
	}
	if deep := nested(f); deep != nil {
		return nil, &SyntaxError{Sources: Sources{name: text}, List: []Finding{*deep}}
	}
	return f, nil
}

// ResolveLoad turns the label of a load statement into the file's name: "@std//x.star" of the embedded library,
// "//x.star" from the root, else relative to the file that loads it.
func ResolveLoad(root, from, label string) (string, error) {
	rel, rooted := strings.CutPrefix(label, "//")
	switch {
	case strings.HasPrefix(label, StdPrefix):
		return label, nil
	case strings.HasPrefix(label, "@"):
		return "", fmt.Errorf("there is no library %q: the standard library is %s", label, StdPrefix)
	case strings.ContainsAny(label, "\x00\\") || filepath.IsAbs(label) && !rooted:
		return "", fmt.Errorf("load path %q must be relative, or begin with // for the root", label)
	case strings.HasPrefix(from, StdPrefix):
		return StdPrefix + rel, nil
	case rooted:
		return filepath.Join(root, rel), inside(root, filepath.Join(root, rel))
	}
	dir := filepath.Dir(from)
	if strings.HasPrefix(from, "<repl:") {
		dir = root
	}
	name := filepath.Join(dir, label)
	return name, inside(root, name)
}

func inside(root, name string) error {
	rel, err := filepath.Rel(root, name)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("load path leaves the root %s: %s (--root DIR names another root)", root, name)
	}
	return nil
}

// ReadLoad reads the file that ResolveLoad named.
func ReadLoad(root, name string) ([]byte, error) {
	if file, ok := strings.CutPrefix(name, StdPrefix); ok {
		src, err := fs.ReadFile(Std, path.Join("std", file))
		if err != nil {
			return nil, fmt.Errorf("the standard library has no %s", file)
		}
		return src, nil
	}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	// The root refuses symlinks that lead out of it; O_NONBLOCK keeps a FIFO from hanging the run.
	f, err := dir.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if path := new(fs.PathError); errors.As(err, &path) {
		err = path.Err // who loads it names it
	}
	if err != nil {
		return nil, err
	}
	return readSource(f)
}

// Beside lists the scripts in the folder of one that ResolveLoad named, by their base names.
func Beside(name string) []string {
	var found []string
	if file, ok := strings.CutPrefix(name, StdPrefix); ok {
		found, _ = fs.Glob(Std, path.Join("std", path.Dir(file), "*.star"))
	} else {
		found, _ = fs.Glob(os.DirFS(filepath.Dir(name)), "*.star")
	}
	for i := range found {
		found[i] = path.Base(found[i])
	}
	return found
}

// ReadScript reads a script's text: a regular file of at most 1 MiB.
func ReadScript(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return readSource(f)
}

func readSource(f *os.File) ([]byte, error) {
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", f.Name())
	}
	return ReadSource(f.Name(), f)
}

// ReadSource reads a script's text to its end: at most 1 MiB.
func ReadSource(name string, from io.Reader) ([]byte, error) {
	src, err := io.ReadAll(io.LimitReader(from, MaxSource+1))
	if err == nil && len(src) > MaxSource {
		err = fmt.Errorf("%s is longer than %d bytes", name, MaxSource)
	}
	return src, err
}

// NewSyntaxError collects the findings of the parser or the resolver.
func NewSyntaxError(err error, name, text string, names map[string]bool) error {
	e := &SyntaxError{Sources: Sources{name: text}}
	var one syntax.Error
	var many resolve.ErrorList
	switch {
	case errors.As(err, &one):
		one = sharpen(one, text)
		e.List = []Finding{{one.Pos, one.Msg, syntaxHint(one, text)}}
	case errors.As(err, &many):
		for i, r := range many {
			if i == mostFindings {
				e.List = append(e.List,
					Finding{r.Pos, fmt.Sprintf("and %d more mistakes from here on", len(many)-i), ""})
				break
			}
			e.List = append(e.List,
				Finding{r.Pos, r.Msg, cmp.Or(nameHint(r.Msg, names), syntaxHint(syntax.Error(r), text))})
		}
	default:
		return err
	}
	return e
}

// Entries lists what is in a folder and not hidden; folders in it end with a slash.
func Entries(dir string) (names []string) {
	if dir == "" {
		dir = "."
	}
	entries, _ := os.ReadDir(dir) // what cannot be read cannot be offered
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		if !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names
}
