package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A service's log is a row of files of logSize bytes, each named after its place in it. Only the last two are kept: so
// what a command prints has its place for ever, and takes no more room than both.
const logSize = 1 << 20

func logName(n int64) string { return "log." + strconv.FormatInt(n, 10) }

// A logWriter writes the log of the service whose folder this process is in.
type logWriter struct {
	file *os.File
	end  int64 // bytes so far
	lost int64 // of these, what there was no room for
}

// Write never fails: a command is not to wait for a disk that is full.
func (w *logWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		at := w.end % logSize
		part := rest[:min(int64(len(rest)), logSize-at)]
		rest = rest[len(part):]
		if at == 0 || w.file == nil {
			w.next(w.end / logSize)
		}
		n := 0
		if w.file != nil {
			n, _ = w.file.WriteAt(part, at)
		}
		w.end, w.lost = w.end+int64(len(part)), w.lost+int64(len(part)-n)
	}
	return len(p), nil
}

// next begins the next file.
func (w *logWriter) next(n int64) {
	if w.file != nil {
		w.file.Close()
	}
	if n >= 2 {
		_ = os.Remove(logName(n - 2)) // which need not be there
	}
	// When it cannot be made, what would be in it is lost, and counted.
	w.file, _ = os.OpenFile(logName(n), os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
}

// logged lists the files of the log that are there, and how long the log is.
func (s Service) logged() (files []int64, end int64, err error) {
	entries, err := os.ReadDir(string(s))
	if errors.Is(err, unix.ENOENT) {
		return nil, 0, nil
	} else if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), "log.")
		n, err := strconv.ParseInt(number, 10, 64)
		if ok && err == nil && n >= 0 && logName(n) == e.Name() {
			files = append(files, n)
		}
	}
	slices.Sort(files)
	if len(files) > 0 {
		last := files[len(files)-1]
		if st, err := os.Lstat(filepath.Join(string(s), logName(last))); err == nil {
			end = last*logSize + st.Size()
		}
	}
	return files, end, nil
}

// Log reads the log from a place on, or from the first one that is kept still. next is the place to go on at.
func (s Service) Log(from int64) (text []byte, next int64, err error) {
	files, _, err := s.logged()
	if err != nil {
		return nil, from, err
	}
	next = from
	for _, n := range files {
		begin := max(next, n*logSize)
		if begin >= (n+1)*logSize {
			continue
		}
		part, err := os.ReadFile(filepath.Join(string(s), logName(n)))
		if errors.Is(err, unix.ENOENT) {
			continue // meanwhile there are newer ones
		} else if err != nil {
			return nil, from, fmt.Errorf("read log: %w", err)
		}
		if begin != next {
			text = text[:0] // what is between them is gone
		}
		if at := begin - n*logSize; at < int64(len(part)) {
			text, next = append(text, part[at:]...), n*logSize+int64(len(part))
		}
	}
	return text, next, nil
}

// Tail is the end of the log, as many lines as are asked for; all of it that is kept when lines is negative. next is
// the place behind it.
func (s Service) Tail(lines int) (text string, next int64, err error) {
	kept, next, err := s.Log(0)
	if err != nil || lines < 0 {
		return string(kept), next, err
	}
	all := slices.Collect(strings.Lines(string(kept)))
	return strings.Join(all[max(0, len(all)-lines):], ""), next, nil
}
