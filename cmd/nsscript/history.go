package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// historySize is how many entries are remembered.
const historySize = 1000

// A history is what was typed in earlier sessions: a JSON string a line, so that an entry can have several lines itself.
// What cannot be read or written is said once and no hindrance.
type history struct {
	file    string
	entries []string
	silent  bool
}

// historyFile is where the XDG base directory specification wants it.
func historyFile() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "nsscript", "history"), nil
}

func openHistory() *history {
	h := &history{}
	var err error
	if h.file, err = historyFile(); err != nil {
		h.fail(err)
		return h
	}
	f, err := os.Open(h.file)
	if err != nil {
		if !os.IsNotExist(err) {
			h.fail(err)
		}
		return h
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	all := 0
	for lines.Scan() {
		var entry string
		if all++; json.Unmarshal(lines.Bytes(), &entry) == nil { // another program's line is none of ours
			h.remember(entry)
		}
	}
	if err := lines.Err(); err != nil {
		h.fail(err)
	}
	h.entries = h.entries[max(0, len(h.entries)-historySize):]
	if all > 2*historySize {
		h.shorten()
	}
	return h
}

func line(entry string) string {
	text, err := json.Marshal(entry)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return string(text) + "\n"
}

// remember takes an entry up; one that goes on where the last one ended takes its place.
func (h *history) remember(entry string) (replaced bool) {
	if n := len(h.entries); n > 0 && strings.HasPrefix(entry, h.entries[n-1]+"\n") {
		h.entries[n-1] = entry
		return true
	}
	h.entries = append(h.entries, entry)
	return false
}

// add remembers an entry, with one write, so that sessions that run at once do not mix their lines.
func (h *history) add(entry string) (replaced bool) {
	if strings.TrimSpace(entry) == "" {
		return false
	}
	if n := len(h.entries); n > 0 && h.entries[n-1] == entry {
		return false
	}
	if replaced = h.remember(entry); h.file == "" {
		return replaced
	}
	err := os.MkdirAll(filepath.Dir(h.file), 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(h.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			if _, err = f.WriteString(line(entry)); err == nil {
				err = f.Close()
			}
		}
	}
	if err != nil {
		h.fail(err)
	}
	return replaced
}

// shorten writes the file anew with what is remembered.
func (h *history) shorten() {
	var b strings.Builder
	for _, e := range h.entries {
		b.WriteString(line(e))
	}
	err := os.WriteFile(h.file+".new", []byte(b.String()), 0o600)
	if err == nil {
		err = os.Rename(h.file+".new", h.file)
	}
	if err != nil {
		h.fail(err)
	}
}

func (h *history) fail(err error) {
	if !h.silent {
		fmt.Fprintf(os.Stderr, "nsscript: no history: %v\n", err)
	}
	h.silent = true
}
