package runtime

import (
	"errors"
	"io"
	"strings"
)

// read reads an input: a line, or the lines of a statement that goes on.
func (r *REPL) read() (text string, err error) {
	defer func() { r.typed = "" }()
	var lines []string
	indent := ""
	block := false
	for {
		p := prompt
		if lines != nil {
			p = promptMore
		}
		line, err := r.line(p)
		if errors.Is(err, io.EOF) && lines != nil {
			return "", ErrAborted
		} else if err != nil {
			return "", err
		}
		blank := strings.TrimSpace(line) == ""
		if lines == nil {
			if blank {
				continue
			}
			if strings.HasPrefix(line, ":") {
				return strings.TrimSpace(line), nil
			}
			// A piece of an indented text begins where it begins.
			indent = line[:len(line)-len(strings.TrimLeft(line, " \t"))]
			if r.more = indent != "" && r.def != ""; r.more {
				// A function with an empty line in it, as in a text that was pasted.
				lines, indent, block = []string{r.def, ""}, "", true
				text = r.def
			}
		}
		line = strings.TrimPrefix(line, indent)
		switch open := unfinished(text); {
		case lines == nil || open:
		case blank:
			return text, nil
		case block && line == strings.TrimLeft(line, " \t") && !continues(line):
			// The block has ended without an empty line, as in a text that was pasted.
			r.ahead = append([]string{indent + line}, r.ahead...)
			return text, nil
		}
		lines = append(lines, line)
		text = strings.Join(lines, "\n")
		r.typed = text + "\n"
		if block = isBlock(text); !block && !unfinished(text) {
			return text, nil
		}
	}
}

// continues reports whether a line that is not indented belongs to the block before it.
func continues(line string) bool {
	toks, _ := lex(line)
	return len(toks) > 0 && (toks[0].text == "else" || toks[0].text == "elif") || strings.HasPrefix(line, "#")
}

// line is the next line, of several that came as one if there are such.
func (r *REPL) line(prompt string) (string, error) {
	if len(r.ahead) == 0 {
		text, err := r.In.Prompt(prompt)
		if err != nil {
			return "", err
		}
		r.ahead = strings.Split(text, "\n")
		if len(r.ahead) > 1 && isBlock(text) {
			r.ahead = append(r.ahead, "") // from the history: it was a whole block
		}
	}
	line := r.ahead[0]
	r.ahead = r.ahead[1:]
	return line, nil
}
