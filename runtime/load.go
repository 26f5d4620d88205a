package runtime

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

//go:embed std/*.star
var std embed.FS

const (
	stdPrefix = "@std//"
	MaxSource = 1 << 20 // bytes that a script may have
	maxDepth  = 32
	// mostFindings is more than anybody reads: a text of a megabyte can have hundreds of thousands.
	mostFindings = 1000
)

// dialect is the Starlark that scenarios are written in.
var dialect = &syntax.FileOptions{Set: true, GlobalReassign: true, TopLevelControl: true, Recursion: true}

// A Program is a script that was parsed and whose names all mean something.
type Program struct {
	Name   string
	prog   *starlark.Program
	file   *syntax.File
	source string
	root   string
	loads  []Load
}

// A Load is a load statement of a program.
type Load struct {
	Module string
	Pos    syntax.Position
}

// Sources remembers the text of files, for errors to show.
type Sources map[string]string

// Parse reads a script without running anything. Names are resolved against the vocabulary; what is wrong comes as a
// *SyntaxError with all findings.
func (voc *Vocabulary) Parse(name string, src []byte) (*Program, error) {
	text := string(src)
	f, err := ParseFile(name, src)
	if err != nil {
		return nil, err
	}
	names := voc.Predeclared()
	prog, err := starlark.FileProgram(limit(f), func(n string) bool { return names[n] || limits.Has(n) })
	if err != nil {
		return nil, syntaxError(err, name, text, names)
	}
	p := &Program{Name: name, prog: prog, file: f, source: text, root: filepath.Dir(name)}
	for i := range prog.NumLoads() {
		module, pos := prog.Load(i)
		p.loads = append(p.loads, Load{module, pos})
	}
	return p, nil
}

// ParseFile reads a script's syntax, as Parse does, but gives its names no meaning. The error is a *SyntaxError.
func ParseFile(name string, src []byte) (*syntax.File, error) {
	text := string(src)
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, &SyntaxError{Sources: Sources{}, List: []Finding{{Pos: syntax.MakePosition(&name, 1, 1), Msg: "this is no text: a script is UTF-8"}}}
	}
	return parseIn(dialect, name, text)
}

// parseIn reads the syntax of a text in a dialect. The error is a *SyntaxError.
func parseIn(d *syntax.FileOptions, name, text string) (*syntax.File, error) {
	f, err := d.Parse(name, text, 0)
	if err != nil {
		return nil, syntaxError(err, name, text, nil)
	}
	if deep := nested(f); deep != nil {
		return nil, &SyntaxError{Sources: Sources{name: text}, List: []Finding{*deep}}
	}
	return f, nil
}

// Resolve gives the names of a file their meaning: it sets the bindings of its identifiers, also when some mean nothing.
// The error is a *SyntaxError with all of those.
func (voc *Vocabulary) Resolve(f *syntax.File, src []byte) error {
	names := voc.Predeclared()
	if err := resolve.File(f, func(n string) bool { return names[n] }, starlark.Universe.Has); err != nil {
		return syntaxError(err, f.Path, string(src), names)
	}
	return nil
}

// Predeclared is the set of names that a script need not define, without those of the language itself.
func (voc *Vocabulary) Predeclared() map[string]bool {
	all := map[string]bool{"args": true, "host": true}
	for name := range voc.globals(nil) {
		all[name] = true
	}
	return all
}

// Source is the script's text.
func (p *Program) Source() string { return p.source }

// loader runs loaded modules, each once.
type loader struct {
	s       *Session
	root    string
	modules map[string]*module
	depth   int

	mu      sync.Mutex
	sources Sources
}

type module struct {
	globals starlark.StringDict
	err     error
	loading bool
}

func newLoader(s *Session, p *Program) *loader {
	root := s.o.Root
	if root == "" {
		root = p.root
	}
	return &loader{s: s, root: root, modules: map[string]*module{}, sources: Sources{p.Name: p.source}}
}

func (l *loader) load(thread *starlark.Thread, label string) (starlark.StringDict, error) {
	from := thread.CallFrame(0).Pos.Filename()
	name, err := ResolveLoad(l.root, from, label)
	if err != nil {
		return nil, err
	}
	if m := l.modules[name]; m != nil {
		if m.loading {
			return nil, fmt.Errorf("load cycle: %s is being loaded already", label)
		}
		return m.globals, m.err
	}
	if l.depth >= maxDepth {
		return nil, fmt.Errorf("loads are nested more than %d deep", maxDepth)
	}
	m := &module{loading: true}
	l.modules[name] = m
	l.depth++
	m.globals, m.err = l.run(name)
	l.depth--
	m.loading = false
	return m.globals, m.err
}

func (l *loader) run(name string) (starlark.StringDict, error) {
	src, err := ReadLoad(l.root, name)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.sources[name] = string(src)
	l.mu.Unlock()
	p, err := l.s.voc.Parse(name, src)
	if err != nil {
		return nil, err
	}
	return l.s.call(name, func(t *starlark.Thread) (starlark.StringDict, error) { return p.prog.Init(t, l.s.globals) })
}

// texts is a copy of the sources: the watch asks for it while the script may be loading.
func (l *loader) texts() Sources {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.sources)
}

// ResolveLoad turns the label of a load statement into the file's name: "@std//x.star" of the embedded library, "//x.star"
// from the root, else relative to the file that loads it.
func ResolveLoad(root, from, label string) (string, error) {
	rel, rooted := strings.CutPrefix(label, "//")
	switch {
	case strings.HasPrefix(label, stdPrefix):
		return label, nil
	case strings.HasPrefix(label, "@"):
		return "", fmt.Errorf("there is no library %q: the standard library is %s", label, stdPrefix)
	case strings.ContainsAny(label, "\x00\\") || filepath.IsAbs(label) && !rooted:
		return "", fmt.Errorf("load path %q must be relative, or begin with // for the root", label)
	case strings.HasPrefix(from, stdPrefix):
		return stdPrefix + rel, nil
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
	if file, ok := strings.CutPrefix(name, stdPrefix); ok {
		src, err := fs.ReadFile(std, path.Join("std", file))
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
	if file, ok := strings.CutPrefix(name, stdPrefix); ok {
		found, _ = fs.Glob(std, path.Join("std", path.Dir(file), "*.star"))
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

// syntaxError collects the findings of the parser or the resolver.
func syntaxError(err error, name, text string, names map[string]bool) error {
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
				e.List = append(e.List, Finding{r.Pos, fmt.Sprintf("and %d more mistakes from here on", len(many)-i), ""})
				break
			}
			e.List = append(e.List, Finding{r.Pos, r.Msg, cmp.Or(nameHint(r.Msg, names), syntaxHint(syntax.Error(r), text))})
		}
	default:
		return err
	}
	return e
}
