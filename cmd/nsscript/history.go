package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// historySize is how many entries are remembered.
const historySize = 1000

// A history is what was typed in earlier sessions: a JSON string a line, so that an entry can have several lines
// itself. What cannot be read or written is said once and no hindrance.
type history struct {
	file    string
	entries []string
	silent  bool
}

// historyFile is where the XDG base directory specification wants it. With sudo the home may be another user's, who
// would get files that are not theirs there, or has put something else in their place.
func historyFile() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	home := dir
	if !filepath.IsAbs(dir) {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	if st, err := os.Stat(home); err == nil && !ownFile(st) {
		return "", fmt.Errorf("%s is another user's", home)
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
	f, err := h.open(os.O_RDONLY)
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

// ownFile reports whether a file is this user's.
func ownFile(st os.FileInfo) bool { return int(st.Sys().(*syscall.Stat_t).Uid) == os.Geteuid() }

// open opens the file, if it is one and the user's own.
func (h *history) open(flags int) (*os.File, error) {
	f, err := os.OpenFile(h.file, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", h.file)
	}
	if err == nil && !ownFile(st) {
		err = fmt.Errorf("%s is another user's", h.file)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
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
		if f, err = h.open(os.O_APPEND | os.O_CREATE | os.O_WRONLY); err == nil {
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
	f, err := os.CreateTemp(filepath.Dir(h.file), "history.*")
	if err == nil {
		_, err = f.WriteString(b.String())
		if err = errors.Join(err, f.Close()); err == nil {
			err = os.Rename(f.Name(), h.file)
		}
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
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
