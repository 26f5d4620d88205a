// Package check finds mistakes in scenarios without running them: from the text, from what the text loads, and from the
// declarations of the builtins. What it says is certain to go wrong, or to have no effect; where it cannot know, it is
// silent. Editors and the command line use the same functions.
//
// It knows the language and the declarations. What a builtin does, and what is on the machine, it does not know.
package check

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// A Finding is one mistake, at the text that it is about. Line and Col count from 1, Col in characters.
type Finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Rule    string `json:"rule"` // one of Rules
}

// Rules are the kinds of findings. With one of the first three a script does not run at all; the others are about what
// would happen when the run comes there.
var Rules = []string{"syntax", "name", "load", "call", "value", "attribute", "type", "unset", "unused", "unreachable"}

// A File is a script's text; Name is a path, as load() understands it.
type File struct {
	Name   string
	Source []byte
}

// Files checks scripts, and what they load, and returns what is wrong with them, by file and position. root is the
// folder that load() may not leave; empty, it is the folder of the script that nobody loads. Files that are loaded and
// not given are read from the disk.
func Files(voc *runtime.Vocabulary, root string, files ...File) []Finding {
	return NewIndex(voc, root, files...).Findings()
}

// Findings is what is wrong with the scripts of the index.
func (x *Index) Findings() (found []Finding) {
	for u := range x.seen {
		x.inspect(u)
		found = append(found, u.meant()...)
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(found)
}

type checker struct {
	voc   *runtime.Vocabulary
	units map[string]*unit // by clean name
}

// A unit is a file that is checked.
type unit struct {
	name   string
	source string
	file   *syntax.File    // what of it could be parsed; nil when nothing
	gaps   map[string]bool // words in what could not be parsed
	loaded bool            // by another file
	root   string          // of what it loads, as it was visited last
	lines  []int           // where they begin
	found  []Finding
}

func (c *checker) add(name string, src []byte) *unit {
	u := &unit{name: name, source: string(src)}
	c.units[filepath.Clean(name)] = u
	u.parse(c.voc)
	return u
}

// open finds what a load statement names.
func (c *checker) open(root, name string) (*unit, error) {
	if u := c.units[filepath.Clean(name)]; u != nil {
		return u, nil
	}
	src, err := script.ReadLoad(root, name)
	if err != nil {
		return nil, err
	}
	return c.add(name, src), nil
}

// rootOf is the root of what a script loads, as a path that begins as the script's own does.
func rootOf(root string, u *unit) string {
	dir := filepath.Dir(u.name)
	if root == "" || filepath.IsAbs(root) == filepath.IsAbs(dir) {
		return cmp.Or(root, dir)
	}
	abs, err := filepath.Abs(root)
	if err == nil && !filepath.IsAbs(dir) {
		if wd, e := os.Getwd(); e == nil {
			abs, err = filepath.Rel(wd, abs)
		}
	}
	if err != nil {
		return root
	}
	return abs
}

func (u *unit) report(pos syntax.Position, rule, message, hint string) {
	u.found = append(u.found,
		Finding{File: u.name, Line: max(int(pos.Line), 1), Col: max(int(pos.Col), 1), Message: message,
			Hint: hint, Rule: rule})
}

// meant drops what a script is there to show, which says so with a line "# fails: REGEXP".
func (u *unit) meant() []Finding {
	fails, err := runtime.Fails(u.source)
	if err != nil || fails == nil {
		return u.found
	}
	return slices.DeleteFunc(u.found, func(f Finding) bool { return fails.MatchString(f.Message) })
}

// word is anything that could be a name; who checks nothing needs none.
var word = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[\pL_][\pL\pN_]*`) })

// parse parses the text. A top-level statement that is no Starlark is left out when it alone is wrong, so that the
// others can be checked.
func (u *unit) parse(voc *runtime.Vocabulary) {
	u.gaps = map[string]bool{}
	text := u.source
	const most = 50 // mistakes in a text that is no script at all, fewer when it is long
	const work = 16 << 20
	for i := 0; i < most && i*len(text) <= work; i++ {
		f, err := script.ParseFile(u.name, []byte(text))
		if err == nil {
			u.file = f
			break
		}
		line := u.syntax(err)
		if line == 0 {
			return
		}
		begin, end := statement(text, line)
		fine := func(text string) bool {
			_, err := script.ParseFile(u.name, []byte(text))
			return err == nil
		}
		if !fine(text[:begin]) || fine(text[begin:end]) {
			end = len(text) // the mistake is before it, such as a bracket that is not closed
		}
		for back := 0; !fine(text[:begin]); back++ {
			if back == most || begin == 0 {
				return
			}
			begin, _ = statement(text[:begin], strings.Count(text[:begin], "\n"))
		}
		for _, w := range word().FindAllString(text[begin:end], -1) {
			u.gaps[w] = true
		}
		text = text[:begin] + string(blank(text[begin:end])) + text[end:]
	}
	if u.file == nil {
		return
	}
	var unclear *script.SyntaxError
	if errors.As(voc.Resolve(u.file, []byte(u.source)), &unclear) {
		for _, f := range unclear.List {
			if name := undefined.FindStringSubmatch(f.Msg); name == nil || !u.gaps[name[1]] {
				u.report(f.Pos, "name", f.Msg, f.Hint)
			}
		}
	}
}

var undefined = regexp.MustCompile(`^undefined: (\w+)`)

// syntax reports what the parser says and returns the line; 0 when the text is none.
func (u *unit) syntax(err error) int {
	var wrong *script.SyntaxError
	if !errors.As(err, &wrong) {
		u.report(syntax.Position{}, "syntax", err.Error(), "")
		return 0
	}
	f := wrong.List[0]
	u.report(f.Pos, "syntax", f.Msg, f.Hint)
	if len(wrong.Sources) == 0 {
		return 0
	}
	return int(f.Pos.Line)
}

// begins is where a top-level statement may begin.
var begins = regexp.MustCompile(`(?m)^[^\s#)\]}"']`)

// goesOn is a line at the left margin that belongs to the statement before it.
var goesOn = regexp.MustCompile(`^(else|elif|except|finally)\b`)

// statement is where the top-level statement begins and ends that a line belongs to.
func statement(text string, line int) (begin, end int) {
	at := 0 // the end of the line
	for range line {
		if i := slices.Index([]byte(text[at:]), '\n'); i >= 0 {
			at += i + 1
		} else {
			at = len(text)
		}
	}
	end = len(text)
	for _, m := range begins.FindAllStringIndex(text, -1) {
		switch {
		case goesOn.MatchString(text[m[0]:]):
		case m[0] < at:
			begin = m[0]
		default:
			return begin, m[0]
		}
	}
	return begin, end
}

// blank is as many lines, empty.
func blank(text string) []byte {
	return slices.DeleteFunc([]byte(text), func(b byte) bool { return b != '\n' })
}
