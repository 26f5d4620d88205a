package repl

import (
	"errors"
	"io"
	"strings"

	"github.com/nsscript/nsscript/runtime/script"
)

// read reads an input: a line, or the lines of a statement that goes on.
func (r *REPL) read() (text string, err error) {
	defer func() { r.typed = "" }()
	var lines []string
	block, blank := false, false // whether the lines begin a block, and whether the last of them is empty
	for {
		p := prompt
		if lines != nil {
			p = promptMore
		}
		line, err := r.line(p)
		switch {
		case errors.Is(err, io.EOF) && lines != nil && r.Piped:
			return strings.TrimRight(text, "\n"), nil
		case errors.Is(err, io.EOF) && lines != nil:
			return "", ErrAborted
		case err != nil:
			return "", err
		}
		before := blank
		blank = strings.TrimSpace(line) == ""
		if lines == nil {
			if blank {
				continue
			}
			if strings.HasPrefix(line, ":") {
				return strings.TrimSpace(line), nil
			}
			if r.more = r.def != "" && indented(line); r.more {
				// A function with an empty line in it, as in a text that was pasted.
				lines, block = []string{r.def, ""}, true
				text = r.def
			}
		}
		switch {
		case lines == nil || script.Unfinished(text):
		case blank && (r.Piped || len(r.unread) > 0 || !before && script.AwaitsBody(text)):
			// it ends a block for who types it
		case blank:
			return text, nil
		case block && !indented(line) && !continues(line):
			// The block has ended without an empty line, as in a text that was pasted.
			r.unread = append([]string{line}, r.unread...)
			return strings.TrimRight(text, "\n"), nil
		}
		lines = append(lines, line)
		text = strings.Join(lines, "\n")
		r.typed = text + "\n"
		if block = script.IsBlock(text); !block && !script.Unfinished(text) {
			return text, nil
		}
	}
}

func indented(line string) bool { return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") }

// continues reports whether a line that is not indented belongs to the block before it.
func continues(line string) bool {
	toks, _ := script.Lex(line)
	return len(toks) > 0 && (toks[0].Text == "else" || toks[0].Text == "elif") || strings.HasPrefix(line, "#")
}

// line is the next line, of several that came as one if there are such.
func (r *REPL) line(prompt string) (string, error) {
	if len(r.unread) == 0 {
		text, err := r.In.Prompt(prompt)
		if err != nil {
			return "", err
		}
		r.unread = strings.Split(text, "\n")
		if len(r.unread) > 1 && script.IsBlock(text) {
			r.unread = append(r.unread, "") // from the history: it was a whole block
		}
	}
	line := r.unread[0]
	r.unread = r.unread[1:]
	return line, nil
}
