package runtime

import (
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
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

//go:embed std/*.star
var std embed.FS

const (
	stdPrefix = "@std//"
	maxSource = 1 << 20
	maxDepth  = 32
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
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, &SyntaxError{Sources: Sources{}, List: []Finding{{Pos: syntax.MakePosition(&name, 1, 1), Msg: "this is no text: a script is UTF-8"}}}
	}
	names := voc.names()
	f, err := dialect.Parse(name, src, 0)
	if err != nil {
		return nil, syntaxError(err, name, text, nil)
	}
	prog, err := starlark.FileProgram(f, func(n string) bool { return names[n] })
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

// names is the set of predeclared names.
func (voc *Vocabulary) names() map[string]bool {
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
	sources Sources
	depth   int
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
	name, err := l.resolve(from, label)
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
	src, err := l.read(name)
	if err != nil {
		return nil, err
	}
	l.sources[name] = string(src)
	p, err := l.s.voc.Parse(name, src)
	if err != nil {
		return nil, err
	}
	return p.prog.Init(l.s.thread(name), l.s.globals)
}

// resolve turns a label into the file's name: "@std//x.star" of the embedded library, "//x.star" from the root, else
// relative to the file that loads it.
func (l *loader) resolve(from, label string) (string, error) {
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
		return filepath.Join(l.root, rel), l.inside(filepath.Join(l.root, rel))
	}
	dir := filepath.Dir(from)
	if strings.HasPrefix(from, "<repl:") {
		dir = l.root
	}
	name := filepath.Join(dir, label)
	return name, l.inside(name)
}

func (l *loader) inside(name string) error {
	rel, err := filepath.Rel(l.root, name)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("load path leaves the root %s: %s (--root DIR names another root)", l.root, name)
	}
	return nil
}

func (l *loader) read(name string) ([]byte, error) {
	if file, ok := strings.CutPrefix(name, stdPrefix); ok {
		src, err := fs.ReadFile(std, path.Join("std", file))
		if err != nil {
			return nil, fmt.Errorf("the standard library has no %s", file)
		}
		return src, nil
	}
	root, err := os.OpenRoot(l.root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	rel, err := filepath.Rel(l.root, name)
	if err != nil {
		return nil, err
	}
	// The root refuses symlinks that lead out of it; O_NONBLOCK keeps a FIFO from hanging the run.
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return readSource(f)
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
	src, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(src) > maxSource {
		err = fmt.Errorf("%s is longer than %d bytes", f.Name(), maxSource)
	}
	return src, err
}

// Check parses a script and all that it loads, and runs nothing.
func (voc *Vocabulary) Check(p *Program, root string) error {
	l := newLoader(&Session{o: Options{Root: root}, voc: voc}, p)
	var errs []error
	var visit func(p *Program, trail []string)
	seen := map[string]bool{}
	visit = func(p *Program, trail []string) {
		for _, ld := range p.loads {
			name, err := l.resolve(p.Name, ld.Module)
			if err == nil {
				for _, t := range trail {
					if t == name {
						err = fmt.Errorf("load cycle: %s is being loaded already", ld.Module)
					}
				}
			}
			if err == nil && !seen[name] {
				seen[name] = true
				var src []byte
				if src, err = l.read(name); err == nil {
					next, e := voc.Parse(name, src)
					if e != nil {
						errs = append(errs, e)
						continue
					}
					visit(next, append(trail, name))
				}
			}
			if err != nil {
				errs = append(errs, &SyntaxError{Sources: Sources{p.Name: p.source}, List: []Finding{{Pos: ld.Pos, Msg: "cannot load " + ld.Module + ": " + err.Error()}}})
			}
		}
	}
	visit(p, []string{p.Name})
	return errors.Join(errs...)
}

// syntaxError collects the findings of the parser or the resolver.
func syntaxError(err error, name, text string, names map[string]bool) error {
	e := &SyntaxError{Sources: Sources{name: text}}
	var one syntax.Error
	var many resolve.ErrorList
	switch {
	case errors.As(err, &one):
		e.List = []Finding{{one.Pos, one.Msg, syntaxHint(one, text)}}
	case errors.As(err, &many):
		for _, r := range many {
			e.List = append(e.List, Finding{r.Pos, r.Msg, nameHint(r.Msg, names)})
		}
	default:
		return err
	}
	return e
}
