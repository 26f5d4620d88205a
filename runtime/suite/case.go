package suite

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

// A Case is one test: a test function of a file, or a whole file that has none.
type Case struct {
	File string
	Func string // empty for a whole file
	Err  error  // what is wrong with the file, so that it cannot run
	Try  int    // from 1; more than 1 when each case runs several times
}

// Name is the file's path, and the function's name after a colon.
func (c Case) Name() string {
	if c.Func == "" {
		return c.File
	}
	return c.File + ":" + c.Func
}

// A Selection says which of the cases that are found are to run.
type Selection struct {
	Run     *regexp.Regexp  // those whose name it matches; all when nil
	Only    map[string]bool // those of these names; all when nil
	Part    Part
	Timings Timings // by which it is divided
	Count   int     // how many times each; 1 when 0
}

// Find lists the cases in files, and in all *.star files below folders but those in a folder named lib. The cases of
// one file are in its own order.
//
// A path may be a case's name as it is printed, FILE:FUNCTION. A part of none is no mistake: of few cases some parts
// are empty.
func Find(voc *runtime.Vocabulary, paths []string, sel Selection) ([]Case, error) {
	var files []string
	only, whole := map[string][]string{}, map[string]bool{} // functions of files, and files that are taken whole
	for _, path := range paths {
		st, err := os.Stat(path)
		if i := strings.LastIndexByte(path, ':'); err != nil && i > 0 && strings.HasSuffix(path[:i], ".star") {
			file, fn := filepath.Clean(path[:i]), path[i+1:]
			if st, err = os.Stat(file); err == nil && !st.IsDir() {
				files, only[file] = append(files, file), append(only[file], fn)
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			whole[filepath.Clean(path)] = true
		}
		if !st.IsDir() {
			files = append(files, path)
			continue
		}
		err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "lib" && file != path:
				return fs.SkipDir
			case !d.IsDir() && filepath.Ext(file) == ".star":
				files, whole[filepath.Clean(file)] = append(files, file), true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var all []Case
	seen := map[string]bool{}
	for _, file := range files {
		if file = filepath.Clean(file); seen[file] {
			continue
		}
		seen[file] = true
		cases := inFile(voc, file)
		for _, fn := range only[file] {
			if !slices.ContainsFunc(cases, func(c Case) bool { return c.Func == fn || c.Err != nil }) {
				return nil, fmt.Errorf("%s has no test %s", file, fn)
			}
		}
		for _, c := range cases {
			if !sel.matches(c) || !whole[file] && c.Err == nil && !slices.Contains(only[file], c.Func) {
				continue
			}
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no tests in %s%s", strings.Join(paths, ", "),
			map[bool]string{true: " match the selection"}[len(files) > 0])
	}
	return sel.tries(sel.part(all)), nil
}

// part is the cases that are in the part.
func (s Selection) part(all []Case) []Case {
	if s.Part.Count == 0 {
		return all
	}
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.Name()
	}
	in := s.Timings.divide(names, s.Part.Count)
	return slices.DeleteFunc(all, func(c Case) bool { return in[c.Name()] != s.Part.Index })
}

// tries is all cases once, all a second time, and so on.
func (s Selection) tries(cases []Case) (all []Case) {
	for try := range max(s.Count, 1) {
		for _, c := range cases {
			c.Try = try + 1
			all = append(all, c)
		}
	}
	return all
}

func inFile(voc *runtime.Vocabulary, file string) []Case {
	src, err := script.ReadScript(file)
	if err != nil {
		return []Case{{File: file, Err: err}}
	}
	p, err := voc.Parse(file, src)
	if err != nil {
		return []Case{{File: file, Err: err}}
	}
	var all []Case
	for _, name := range p.Tests() {
		all = append(all, Case{File: file, Func: name})
	}
	if all == nil {
		all = []Case{{File: file}}
	}
	return all
}

// matches reports whether a case is one of those that are asked for. Nobody knows of a file that does not compile which
// it has.
func (s Selection) matches(c Case) bool {
	return (s.Run == nil || c.Err != nil || s.Run.MatchString(c.Name())) && (s.Only == nil || s.Only[c.Name()])
}
